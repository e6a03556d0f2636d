"""Entries with their history, what they tell, and the journal that proves it."""

from pathlib import Path

from alembic import op

import chassis

revision = "0001"
down_revision = None

MECHANICS = Path(chassis.__file__).parent / "mechanics_v1.sql"

ENTRIES = """
CREATE TABLE entry (
    entry_id uuid PRIMARY KEY,
    ledger text NOT NULL,
    definition_version integer NOT NULL,
    person_ref uuid NOT NULL,
    area text COLLATE "C" NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    stage text NOT NULL,
    owner text COLLATE "C" NOT NULL CHECK (owner <> ''),
    next_deadline timestamptz,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    outcome text,
    facts jsonb NOT NULL,
    caused_by_entry uuid,
    caused_by_event uuid,
    order_digest bytea,
    escalated_deadline timestamptz,
    -- The invariant of every ledger: whoever is in one has an owner and a next deadline until the end, and an end.
    CONSTRAINT open_entry_has_a_deadline CHECK ((closed_at IS NULL) = (next_deadline IS NOT NULL)),
    CONSTRAINT closed_entry_has_an_outcome CHECK ((closed_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX one_open_entry_a_ledger ON entry (person_ref, ledger) WHERE closed_at IS NULL;
CREATE INDEX entry_by_person ON entry (person_ref);
CREATE INDEX entry_by_area ON entry (area, entry_id);
CREATE INDEX entry_by_deadline ON entry (next_deadline) WHERE closed_at IS NULL;
CREATE INDEX entry_unescalated ON entry (next_deadline)
    WHERE closed_at IS NULL AND escalated_deadline IS DISTINCT FROM next_deadline;
CREATE INDEX entry_closed ON entry (closed_at) WHERE closed_at IS NOT NULL;

-- The history; version 1 is the opening, whose move is `open`.
CREATE TABLE step (
    entry_id uuid NOT NULL REFERENCES entry,
    version integer NOT NULL,
    move text NOT NULL,
    previous_stage text,
    stage text NOT NULL,
    owner text NOT NULL,
    next_deadline timestamptz,
    facts jsonb NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (entry_id, version)
);

CREATE TABLE evidence (
    evidence_id uuid PRIMARY KEY,
    entry_id uuid NOT NULL REFERENCES entry,
    person_ref uuid NOT NULL,
    kind text NOT NULL,
    area text NOT NULL,
    observed_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    revision integer NOT NULL,
    ended_at timestamptz,
    outcome text,
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX one_lasting_evidence_an_entry ON evidence (entry_id) WHERE ended_at IS NULL;
CREATE INDEX evidence_by_entry ON evidence (entry_id);

CREATE TABLE trace (
    trace_id uuid PRIMARY KEY,
    entry_id uuid NOT NULL REFERENCES entry,
    person_ref uuid NOT NULL,
    asked_from timestamptz NOT NULL,
    asked_to timestamptz NOT NULL,
    requested_at timestamptz NOT NULL,
    parts integer NOT NULL DEFAULT 0,
    parts_taken integer NOT NULL DEFAULT 0,
    tracing_rule text,
    answered_at timestamptz
);
CREATE INDEX trace_by_entry ON trace (entry_id);

CREATE TABLE meeting (
    case_entry uuid NOT NULL REFERENCES entry,
    person_ref uuid NOT NULL,
    case_scan_id text NOT NULL,
    contact_scan_id text NOT NULL,
    trace_id uuid NOT NULL REFERENCES trace,
    contact_entry uuid REFERENCES entry,
    grade text NOT NULL,
    checkpoint_id text NOT NULL,
    kind text NOT NULL,
    area text NOT NULL,
    met_at timestamptz NOT NULL,
    apart_s double precision NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (case_entry, person_ref, case_scan_id, contact_scan_id)
);
CREATE INDEX meeting_by_person ON meeting (person_ref);

CREATE TABLE alarm (
    alarm_id uuid PRIMARY KEY,
    kind text NOT NULL,
    person_ref uuid,
    entry_id uuid REFERENCES entry,
    owner text COLLATE "C" NOT NULL,
    area text COLLATE "C" NOT NULL,
    checkpoint_id text NOT NULL,
    scan_id text NOT NULL,
    raised_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX one_alarm_a_stop ON alarm (kind, scan_id) WHERE scan_id <> '';
CREATE INDEX alarm_by_person ON alarm (person_ref);
CREATE INDEX alarm_by_area ON alarm (area, alarm_id);
CREATE INDEX alarm_by_owner ON alarm (owner, alarm_id);

CREATE TABLE person (
    person_ref uuid PRIMARY KEY,
    -- Sealed: key id, nonce and ciphertext; the person and the column are bound in.
    name bytea,
    phone bytea,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Where a person lives, as codes last told it.
CREATE TABLE person_area (
    person_ref uuid PRIMARY KEY,
    area text NOT NULL
) WITH (fillfactor = 80);
"""

JOURNAL = """
CREATE TABLE journal_content (
    content_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id uuid,
    person_ref uuid,
    salt bytea,
    content text,
    destroyed_at timestamptz,
    -- Salt and content are destroyed together: the link's commitment then says nothing any more, and still stands.
    CONSTRAINT destroyed_together CHECK (
        (salt IS NULL) = (content IS NULL) AND (content IS NULL) = (destroyed_at IS NOT NULL)
    )
);
CREATE INDEX journal_content_by_entry ON journal_content (entry_id);
CREATE INDEX journal_content_by_person ON journal_content (person_ref);

CREATE TABLE journal_link (
    seq bigint PRIMARY KEY,
    content_id bigint NOT NULL UNIQUE,
    commitment bytea NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    linked_at timestamptz NOT NULL
);

CREATE TABLE journal_head (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    size bigint NOT NULL,
    hash bytea NOT NULL,
    at timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO journal_head (size, hash, at) VALUES (0, decode(repeat('00', 32), 'hex'), now());

-- Linking waits for the commit, so that the head is locked last and shortly, in whatever order a batch wrote: two
-- transactions that hold each other's entries never wait for the head at the same time. The first record of a
-- transaction links them all, in the order they were written (contents that others have not committed are not seen).
CREATE FUNCTION journal_link_contents() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head journal_head;
    unlinked record;
    linked bytea;
BEGIN
    IF EXISTS (SELECT FROM journal_link WHERE content_id = NEW.content_id) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO STRICT head FROM journal_head FOR UPDATE;
    FOR unlinked IN
        SELECT content_id, sha256(salt || convert_to(content, 'UTF8')) AS commitment FROM journal_content AS c
        WHERE content_id >= NEW.content_id
          AND NOT EXISTS (SELECT FROM journal_link WHERE journal_link.content_id = c.content_id)
        ORDER BY content_id
    LOOP
        linked := sha256(head.hash || unlinked.commitment);
        head.size := head.size + 1;
        INSERT INTO journal_link (seq, content_id, commitment, previous, hash, linked_at)
        VALUES (head.size, unlinked.content_id, unlinked.commitment, head.hash, linked, clock_timestamp());
        head.hash := linked;
    END LOOP;
    UPDATE journal_head SET size = head.size, hash = head.hash, at = clock_timestamp();
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER journal_linked_at_commit AFTER INSERT ON journal_content
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION journal_link_contents();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'restrict_violation';
END $$;
CREATE FUNCTION journal_content_may_only_be_destroyed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.content IS NULL OR NEW.content IS NOT NULL
       OR (NEW.content_id, NEW.entry_id, NEW.person_ref) IS DISTINCT FROM (OLD.content_id, OLD.entry_id, OLD.person_ref)
    THEN
        RAISE EXCEPTION 'journal content may only be destroyed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_link
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON journal_content
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER only_destroyed BEFORE UPDATE ON journal_content
    FOR EACH ROW EXECUTE FUNCTION journal_content_may_only_be_destroyed();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON journal_head
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE access_log (
    access_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    who text NOT NULL,
    what text NOT NULL,
    person_ref uuid,
    route text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX access_log_by_person ON access_log (person_ref, at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(MECHANICS.read_text(encoding="utf-8"))
    op.get_bind().exec_driver_sql(ENTRIES)
    op.get_bind().exec_driver_sql(JOURNAL)
