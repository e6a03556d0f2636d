"""The tables of checkpoints: places, scans by day, the board's snapshot, holders, traces."""

from datetime import UTC, datetime
from pathlib import Path

from alembic import op

import chassis
from services.checkpoints.partitions import days_needed, partition_statements

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE checkpoint (
    checkpoint_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('metro', 'bus', 'road', 'compound', 'building', 'mall', 'hospital', 'school',
                                       'workplace', 'port')),
    name text NOT NULL,
    venue text NOT NULL,
    area text NOT NULL,
    venue_code text NOT NULL UNIQUE,
    revision integer NOT NULL DEFAULT 1,
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX checkpoint_by_change ON checkpoint (changed_at);

-- Partitioned by day through the time in the UUIDv7 itself, so that the primary key is the idempotency.
CREATE TABLE scan (
    scan_id uuid NOT NULL,
    checkpoint_id uuid NOT NULL,
    scanned_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    person_ref uuid,
    list integer,
    idx integer,
    vehicle_ref uuid,
    decision text NOT NULL CHECK (decision IN ('pass', 'check', 'stop')),
    colour text NOT NULL CHECK (colour IN ('green', 'yellow', 'red', 'lapsed', 'unknown')),
    refusal text,
    policy_version text NOT NULL,
    board_revision bigint NOT NULL,
    direction text,
    temperature_c real,
    offline_decision text,
    offline_refusal text,
    offline_policy_version text,
    offline_list_revision bigint,
    is_self_reported boolean NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (scan_id)
) PARTITION BY RANGE (scan_id);
CREATE INDEX scan_by_checkpoint ON scan (checkpoint_id, scanned_at, scan_id);
CREATE INDEX scan_by_person ON scan (person_ref, scanned_at) WHERE person_ref IS NOT NULL;
CREATE INDEX scan_by_vehicle ON scan (vehicle_ref, scanned_at) WHERE vehicle_ref IS NOT NULL;
-- Scans whose person has not arrived yet: as good as empty.
CREATE INDEX scan_without_person ON scan (list, idx) WHERE person_ref IS NULL AND list IS NOT NULL;

CREATE TABLE holder (
    list integer NOT NULL,
    idx integer NOT NULL,
    person_ref uuid NOT NULL,
    PRIMARY KEY (list, idx)
);
CREATE INDEX holder_by_person ON holder (person_ref);

-- The board's snapshot: two bits a person, zlib over them; holders are complete up to the same revision.
CREATE TABLE standing_list (
    list integer PRIMARY KEY,
    revision bigint NOT NULL,
    packed bytea NOT NULL,
    taken_at timestamptz NOT NULL
);

CREATE TABLE known_jwks (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    jwks jsonb NOT NULL,
    read_at timestamptz NOT NULL
);

-- A version never changes what it says; a repeated scan is answered in the words of its own version.
CREATE TABLE policy (
    version text PRIMARY KEY,
    document jsonb NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE scan_tally (
    day date NOT NULL,
    checkpoint_id uuid NOT NULL,
    decision text NOT NULL,
    colour text NOT NULL,
    scans bigint NOT NULL,
    PRIMARY KEY (day, checkpoint_id, decision, colour)
);
-- The last minutes, in slots of five seconds.
CREATE TABLE scan_pulse (
    slot timestamptz NOT NULL,
    checkpoint_id uuid NOT NULL,
    decision text NOT NULL,
    colour text NOT NULL,
    scans bigint NOT NULL,
    PRIMARY KEY (slot, checkpoint_id, decision, colour)
);

CREATE TABLE trace (
    trace_id uuid PRIMARY KEY,
    entry_id text NOT NULL,
    person_ref uuid NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('answered', 'held')),
    tracing_rule text NOT NULL,
    parts integer NOT NULL DEFAULT 0,
    revision integer NOT NULL DEFAULT 0,
    requested_by text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    approved_by text,
    approved_at timestamptz
);
CREATE INDEX trace_by_person ON trace (person_ref);
CREATE TABLE trace_contact (
    trace_id uuid NOT NULL REFERENCES trace,
    person_ref uuid NOT NULL,
    grade smallint NOT NULL,
    checkpoint_id uuid NOT NULL,
    kind text NOT NULL,
    area text NOT NULL,
    met_at timestamptz NOT NULL,
    apart_s double precision NOT NULL,
    case_scan_id uuid NOT NULL,
    contact_scan_id uuid NOT NULL,
    -- The part that told it; null while it is held.
    part integer,
    PRIMARY KEY (trace_id, person_ref)
);
CREATE TABLE trace_window (
    trace_id uuid NOT NULL REFERENCES trace,
    case_scan_id uuid NOT NULL,
    case_at timestamptz NOT NULL,
    checkpoint_id uuid,
    vehicle_ref uuid,
    grade smallint NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    PRIMARY KEY (trace_id, case_scan_id)
);
CREATE INDEX trace_window_by_checkpoint ON trace_window (checkpoint_id, to_at) WHERE checkpoint_id IS NOT NULL;
CREATE INDEX trace_window_by_vehicle ON trace_window (vehicle_ref, to_at) WHERE vehicle_ref IS NOT NULL;

CREATE TABLE access_log (
    access_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL,
    what text NOT NULL,
    person_ref uuid,
    checkpoint_id uuid,
    route text NOT NULL,
    accessed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the access log is only added to';
END $$;
CREATE TRIGGER access_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.execute(Path(chassis.__file__).with_name("mechanics_v1.sql").read_text())
    op.execute(TABLES)
    for day in days_needed(datetime.now(UTC)):
        for statement in partition_statements(day):
            op.execute(statement)
