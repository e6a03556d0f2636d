"""Shown passes that are used up, repeats of a scan, and gates whose clocks are off."""

from alembic import op

revision = "0010"
down_revision = "0009"

SCANS = """
ALTER TABLE scan
    -- When the pass was issued that was shown, in Unix seconds; null for all that is no shown pass.
    ADD COLUMN pass_iat bigint,
    -- The scan that this one repeats: the same pass at the same gate within seconds.
    ADD COLUMN repeat_of uuid,
    -- What a gate said of the time whose clock is off; `scanned_at` is the server's then.
    ADD COLUMN gate_said_at timestamptz;
"""

USED_PASSES = """
-- Who was let in with a shown pass: the key decides between all processes (domain/reuse.py). A pass lives a minute, so
-- rows are kept in four tables that are emptied in turn (store/used_passes.py), by the minutes in which passes were
-- issued; deleting row by row would cost as much as writing them.
CREATE TABLE used_pass (
    slot smallint NOT NULL,
    list integer NOT NULL,
    idx integer NOT NULL,
    iat bigint NOT NULL,
    is_out boolean NOT NULL,
    scan_id uuid NOT NULL,
    checkpoint_id uuid NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (slot, list, idx, iat, is_out)
) PARTITION BY LIST (slot);
"""

CLOCKS = """
-- Scans that the server dated: their `scan_id` has another time than `scanned_at`, so that they are looked for by it.
CREATE TABLE scan_with_clock_off (
    scan_id uuid PRIMARY KEY,
    scanned_at timestamptz NOT NULL
);
CREATE INDEX scan_with_clock_off_by_time ON scan_with_clock_off (scanned_at);

-- Gates whose clocks are off: told once, until none was found off for an hour.
CREATE TABLE clock_trouble (
    checkpoint_id uuid PRIMARY KEY REFERENCES checkpoint,
    since timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    scans bigint NOT NULL,
    off_s double precision NOT NULL,
    revision integer NOT NULL
);
"""


def upgrade() -> None:
    for part in (SCANS, USED_PASSES, CLOCKS):
        op.execute(part)
    for slot in range(4):
        # Never vacuumed: it is emptied before that is worth anything.
        part = f"used_pass_{slot}"
        op.execute(
            f"CREATE TABLE {part} PARTITION OF used_pass FOR VALUES IN ({slot}) WITH (autovacuum_enabled = false)"
        )
