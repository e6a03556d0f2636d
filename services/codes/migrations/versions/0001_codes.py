"""The tables of codes: people, what is known about them, the verdicts, and the status lists."""

from pathlib import Path

from alembic import op

import chassis

revision = "0001"
down_revision = None

_TABLES = """
-- The lists as such. What they hold stands in `person`: a change rewrites 50 bytes there, not a list of 256 kB here.
CREATE TABLE status_list (
    list integer PRIMARY KEY CHECK (list > 0),
    revision bigint NOT NULL DEFAULT 0,
    permutation_key bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    opened_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
INSERT INTO status_list (list) VALUES (1);

-- Counts people; gaps are entries that nobody gets.
CREATE SEQUENCE person_number MINVALUE 0 START 0 CACHE 1;

-- No foreign key from person.list: its check would lock the list before the colour is known (D6 locks it last).
CREATE TABLE person (
    person_ref uuid PRIMARY KEY,
    area text NOT NULL DEFAULT '',
    list integer,
    idx integer CHECK (idx BETWEEN 0 AND 1048575),
    colour smallint NOT NULL DEFAULT 3 CHECK (colour BETWEEN 0 AND 3),
    revision bigint NOT NULL DEFAULT 0,
    since timestamptz,
    review_at timestamptz,
    verdict_id uuid,
    known_at timestamptz NOT NULL DEFAULT now(),
    enrolled_at timestamptz,
    CHECK ((list IS NULL) = (idx IS NULL)),
    CHECK ((list IS NULL) = (enrolled_at IS NULL)),
    UNIQUE (list, idx)
) WITH (fillfactor = 80);
CREATE INDEX person_by_review ON person (review_at) WHERE review_at IS NOT NULL;

-- Sealed: kid, nonce and ciphertext in one column.
CREATE TABLE identity (
    person_ref uuid PRIMARY KEY REFERENCES person,
    document_type text NOT NULL,
    country text NOT NULL,
    number_sealed bytea NOT NULL,
    name_sealed bytea NOT NULL,
    phone_sealed bytea,
    birth_date_sealed bytea,
    address_sealed bytea
);

CREATE TABLE declaration (
    declaration_id uuid PRIMARY KEY,
    person_ref uuid NOT NULL REFERENCES person,
    made_at timestamptz NOT NULL,
    temperature_tenths smallint,
    symptoms text[] NOT NULL,
    has_contact_with_case boolean NOT NULL,
    declared_by text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX declaration_of_person ON declaration (person_ref, made_at);

CREATE TABLE evidence (
    evidence_id uuid PRIMARY KEY,
    kind text NOT NULL,
    person_ref uuid,
    area text,
    facts jsonb NOT NULL,
    observed_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text NOT NULL DEFAULT '',
    source text NOT NULL,
    content_digest bytea NOT NULL,
    reported_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CHECK ((person_ref IS NULL) <> (area IS NULL))
);
CREATE INDEX evidence_of_person ON evidence (person_ref) WHERE ended_at IS NULL;

-- Told by a declaration or by evidence (told_by).
CREATE TABLE stay (
    told_by uuid NOT NULL,
    person_ref uuid NOT NULL,
    area text NOT NULL,
    stayed_from timestamptz NOT NULL,
    stayed_to timestamptz NOT NULL
);
CREATE INDEX stay_of_person ON stay (person_ref, stayed_to);
CREATE INDEX stay_in_area ON stay (area text_pattern_ops, stayed_to);

CREATE TABLE area_risk (
    area text PRIMARY KEY,
    level text NOT NULL CHECK (level IN ('high', 'medium', 'low')),
    evidence_id uuid NOT NULL,
    observed_at timestamptz NOT NULL
);

CREATE TABLE verdict (
    verdict_id uuid PRIMARY KEY,
    person_ref uuid NOT NULL,
    revision bigint NOT NULL,
    decided_at timestamptz NOT NULL,
    colour smallint NOT NULL,
    rule_set text NOT NULL,
    reasons jsonb NOT NULL,
    lifts_when jsonb,
    rule_errors jsonb NOT NULL
);
CREATE INDEX verdict_of_person ON verdict (person_ref, verdict_id);

-- One row: the heartbeat's own revision, raised before the event is written.
CREATE TABLE heartbeat (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), revision bigint NOT NULL);
INSERT INTO heartbeat (revision) VALUES (0);
CREATE INDEX outbox_heartbeat ON outbox (seq) WHERE type = 'guanka.codes.v1.StandingsHeartbeat';

CREATE TABLE access_log (
    access_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    accessed_at timestamptz NOT NULL,
    subject text NOT NULL,
    person_ref uuid NOT NULL,
    what text NOT NULL,
    route text NOT NULL
);
CREATE INDEX access_to_person ON access_log (person_ref, access_id);
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER access_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
"""


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute((Path(chassis.__file__).parent / "mechanics_v1.sql").read_bytes())
    driver.execute(_TABLES.encode())
