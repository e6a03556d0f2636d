"""The record of what was destroyed; the vehicle in which a contact was met."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
CREATE TABLE destruction (
    destruction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what text NOT NULL,
    day date NOT NULL,
    rows bigint NOT NULL CHECK (rows >= 0),
    destroyed_at timestamptz NOT NULL,
    -- The setting that says so.
    rule text NOT NULL
);
CREATE FUNCTION refuse_change_of_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the record of destructions is only added to';
END $$;
CREATE TRIGGER destruction_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON destruction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_record();

ALTER TABLE trace_contact ADD COLUMN vehicle_ref uuid;
"""


def upgrade() -> None:
    op.execute(TABLES)
