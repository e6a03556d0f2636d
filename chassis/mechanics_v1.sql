-- The tables of the outbox and the consumer; each service's first migration runs this in its own database.

-- CACHE 1 and a sequence of its own: the relay's low-water mark reads its last value. The mark also counts on a
-- transaction that takes a `seq` having its transaction id by then; nextval gives it one only now and then, so the
-- default asks for one first.
CREATE SEQUENCE outbox_seq CACHE 1;

CREATE TABLE outbox (
    seq bigint PRIMARY KEY
        DEFAULT nextval(CASE WHEN pg_current_xact_id() IS NOT NULL THEN 'outbox_seq'::regclass END),
    id uuid NOT NULL,
    aggregatetype text NOT NULL,
    aggregateid text NOT NULL,
    type text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
ALTER SEQUENCE outbox_seq OWNED BY outbox.seq;

CREATE TABLE consumer_offset (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);

CREATE TABLE processed_event (
    source text NOT NULL,
    id uuid NOT NULL,
    processed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, id)
);
CREATE INDEX processed_event_by_time ON processed_event USING brin (processed_at);

CREATE TABLE consumed_revision (
    source text NOT NULL,
    subject text NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (source, subject)
);

CREATE TABLE dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    key text NOT NULL,
    value bytea NOT NULL,
    headers jsonb NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    put_aside_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
CREATE INDEX dead_letter_waiting ON dead_letter (dead_letter_id) WHERE replayed_at IS NULL;
