"""The guard's duty: the life of checkpoints, registrations, devices, measurement cases, shifts, venues."""

from alembic import op

revision = "0003"
down_revision = "0002"

LIFE = """
ALTER TABLE checkpoint
    ADD COLUMN stage text NOT NULL DEFAULT 'open' CHECK (stage IN ('planned', 'open', 'closed', 'merged')),
    ADD COLUMN successor uuid REFERENCES checkpoint,
    ADD COLUMN next_change_at timestamptz;
CREATE INDEX checkpoint_with_a_change_ahead ON checkpoint (next_change_at) WHERE next_change_at IS NOT NULL;

-- What was ordered: number 1 is the registration, the others say only what they change.
CREATE TABLE checkpoint_change (
    checkpoint_id uuid NOT NULL REFERENCES checkpoint,
    number integer NOT NULL,
    change text NOT NULL CHECK (change IN ('register', 'plan', 'open', 'move', 'convert', 'merge', 'close',
                                           'withdraw')),
    holds_from timestamptz NOT NULL,
    kind text,
    name text,
    venue text,
    area text,
    successor uuid,
    withdraws integer,
    reason text NOT NULL,
    ordered_by text NOT NULL,
    ordered_at timestamptz NOT NULL,
    PRIMARY KEY (checkpoint_id, number)
);

-- What holds when, made of the changes: exactly one version for every checkpoint and moment.
CREATE TABLE checkpoint_version (
    checkpoint_id uuid NOT NULL REFERENCES checkpoint,
    holds_from timestamptz NOT NULL,
    holds_until timestamptz NOT NULL,
    stage text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    venue text NOT NULL,
    area text NOT NULL,
    successor uuid,
    PRIMARY KEY (checkpoint_id, holds_from),
    CHECK (holds_from < holds_until)
);

-- Whoever registers a checkpoint has registered its first version: scans are read through it.
CREATE FUNCTION register_checkpoint_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO checkpoint_version VALUES (NEW.checkpoint_id, '1970-01-01Z', '9999-12-31Z', NEW.stage, NEW.kind,
                                           NEW.name, NEW.venue, NEW.area, NULL);
    INSERT INTO checkpoint_change (checkpoint_id, number, change, holds_from, kind, name, venue, area, reason,
                                   ordered_by, ordered_at)
    VALUES (NEW.checkpoint_id, 1, CASE NEW.stage WHEN 'planned' THEN 'plan' ELSE 'register' END, '1970-01-01Z',
            NEW.kind, NEW.name, NEW.venue, NEW.area, '', NEW.registered_by, NEW.registered_at);
    RETURN NULL;
END $$;
CREATE TRIGGER checkpoint_has_a_version AFTER INSERT ON checkpoint
    FOR EACH ROW EXECUTE FUNCTION register_checkpoint_version();
INSERT INTO checkpoint_version SELECT checkpoint_id, '1970-01-01Z', '9999-12-31Z', stage, kind, name, venue, area, NULL
FROM checkpoint;
INSERT INTO checkpoint_change (checkpoint_id, number, change, holds_from, kind, name, venue, area, reason, ordered_by,
                               ordered_at)
SELECT checkpoint_id, 1, 'register', '1970-01-01Z', kind, name, venue, area, '', registered_by, registered_at
FROM checkpoint;
"""

REGISTRATION = """
CREATE TABLE registration (
    registration_id uuid PRIMARY KEY,
    checkpoint_id uuid NOT NULL REFERENCES checkpoint,
    person_ref uuid NOT NULL,
    document_type text NOT NULL,
    country text NOT NULL,
    -- Sealed: key id, nonce and ciphertext; the person and the column are bound in.
    number_sealed bytea NOT NULL,
    name_sealed bytea,
    phone_sealed bytea NOT NULL,
    from_area text NOT NULL,
    to_area text NOT NULL,
    temperature_c real,
    vehicle_ref uuid,
    registered_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    registered_by text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('pass', 'check', 'stop')),
    outcome text NOT NULL,
    policy_version text NOT NULL,
    offline_decision text,
    offline_policy_version text,
    digest bytea NOT NULL
);
CREATE INDEX registration_by_checkpoint ON registration (checkpoint_id, registered_at);
CREATE INDEX registration_by_time ON registration (registered_at);
"""

DEVICES = """
CREATE TABLE device (
    device_id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('thermal_camera', 'hand_thermometer', 'door_sensor')),
    checkpoint_id uuid NOT NULL REFERENCES checkpoint,
    accuracy_c real,
    interval_s integer NOT NULL CHECK (interval_s > 0),
    on_from time,
    on_to time,
    revision integer NOT NULL DEFAULT 1,
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL,
    heard_at timestamptz,
    CHECK ((on_from IS NULL) = (on_to IS NULL))
);
CREATE INDEX device_by_checkpoint ON device (checkpoint_id);

-- Readings tell of nobody, and only of the last days.
CREATE TABLE reading (
    reading_id uuid PRIMARY KEY,
    device_id text NOT NULL REFERENCES device,
    temperature_c real,
    measured_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX reading_by_device ON reading (device_id, measured_at);
CREATE INDEX reading_by_time ON reading (measured_at);

CREATE TABLE device_trouble (
    device_id text NOT NULL REFERENCES device,
    trouble text NOT NULL CHECK (trouble IN ('silent', 'drifting')),
    since timestamptz NOT NULL,
    until timestamptz,
    deviation_c real,
    PRIMARY KEY (device_id, trouble, since)
);
CREATE UNIQUE INDEX one_open_trouble_of_a_kind ON device_trouble (device_id, trouble) WHERE until IS NULL;

CREATE TABLE measurement_case (
    case_id uuid PRIMARY KEY,
    checkpoint_id uuid NOT NULL REFERENCES checkpoint,
    device_id text NOT NULL REFERENCES device,
    reading_id uuid NOT NULL UNIQUE,
    temperature_c real NOT NULL,
    stage text NOT NULL,
    version integer NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    overdue_told_at timestamptz,
    closed_at timestamptz,
    remeasured_c real,
    person_ref uuid,
    clinic_id text
);
CREATE INDEX measurement_case_by_checkpoint ON measurement_case (checkpoint_id, opened_at);
CREATE INDEX measurement_case_by_time ON measurement_case (opened_at);
CREATE INDEX measurement_case_unfinished ON measurement_case (due_at)
    WHERE closed_at IS NULL AND overdue_told_at IS NULL;

CREATE TABLE measurement_step (
    case_id uuid NOT NULL REFERENCES measurement_case,
    version integer NOT NULL,
    step text NOT NULL,
    stage text NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (case_id, version)
);
"""

SHIFTS_AND_VENUES = """
CREATE TABLE shift (
    shift_id uuid PRIMARY KEY,
    checkpoint_id uuid NOT NULL REFERENCES checkpoint,
    staff integer NOT NULL CHECK (staff > 0),
    version integer NOT NULL,
    signed_on_by text NOT NULL,
    signed_on_at timestamptz NOT NULL,
    signed_off_by text,
    signed_off_at timestamptz,
    -- Sealed, since people write names into notes.
    note_sealed bytea
);
CREATE UNIQUE INDEX one_open_shift_a_checkpoint ON shift (checkpoint_id) WHERE signed_off_at IS NULL;
CREATE INDEX shift_by_checkpoint ON shift (checkpoint_id, signed_on_at);

CREATE TABLE venue (
    venue text PRIMARY KEY,
    capacity integer NOT NULL CHECK (capacity > 0),
    full_on date,
    revision integer NOT NULL DEFAULT 0,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL
);
CREATE TABLE venue_count (
    venue text NOT NULL,
    day date NOT NULL,
    entered bigint NOT NULL,
    departed bigint NOT NULL,
    PRIMARY KEY (venue, day)
);
CREATE INDEX checkpoint_version_by_venue ON checkpoint_version (venue) WHERE venue <> '';
"""


def upgrade() -> None:
    for part in (LIFE, REGISTRATION, DEVICES, SHIFTS_AND_VENUES):
        op.execute(part)
