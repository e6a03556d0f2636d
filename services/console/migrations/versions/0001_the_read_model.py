"""The read model: totals of what the other services tell, and the few names a screen shows."""

from pathlib import Path

from alembic import op

import chassis

revision = "0001"
down_revision = None

TABLES = """
-- Scans by the second in which checkpoints recorded them, kept two hours.
CREATE TABLE scan_second (
    second timestamptz NOT NULL,
    decision text NOT NULL,
    scans bigint NOT NULL,
    PRIMARY KEY (second, decision)
) WITH (fillfactor = 70);

-- Scans by the city's day on which the traveller stood there.
CREATE TABLE scan_day (
    day date NOT NULL,
    decision text NOT NULL,
    scans bigint NOT NULL,
    PRIMARY KEY (day, decision)
) WITH (fillfactor = 50);

CREATE TABLE person_colour (person_ref uuid PRIMARY KEY, colour text NOT NULL);
-- How many rows person_colour has of each colour, moved in the same transaction.
CREATE TABLE colour_count (colour text PRIMARY KEY, people bigint NOT NULL) WITH (fillfactor = 50);
-- Changes to a colour by the second in which they happened, kept two hours.
CREATE TABLE colour_second (
    second timestamptz NOT NULL,
    colour text NOT NULL,
    people bigint NOT NULL,
    PRIMARY KEY (second, colour)
) WITH (fillfactor = 70);

CREATE TABLE open_entry (entry_id uuid PRIMARY KEY, ledger text NOT NULL, stage text NOT NULL);
-- How many rows open_entry has of each ledger and stage, moved in the same transaction.
CREATE TABLE entry_count (
    ledger text NOT NULL,
    stage text NOT NULL,
    entries bigint NOT NULL,
    PRIMARY KEY (ledger, stage)
) WITH (fillfactor = 50);

CREATE TABLE alarm (
    alarm_id uuid PRIMARY KEY,
    kind text NOT NULL,
    owner text NOT NULL,
    area text NOT NULL,
    checkpoint_id text NOT NULL,
    raised_at timestamptz NOT NULL
);
CREATE INDEX alarm_by_time ON alarm (raised_at);

CREATE TABLE checkpoint (checkpoint_id text PRIMARY KEY, kind text NOT NULL, name text NOT NULL, area text NOT NULL);

-- One row: everything that the log held at this moment has been applied.
CREATE TABLE freshness (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    known_until timestamptz NOT NULL
) WITH (fillfactor = 50);
"""


def upgrade() -> None:
    op.execute((Path(chassis.__file__).parent / "mechanics_v1.sql").read_text())
    op.execute(TABLES)
