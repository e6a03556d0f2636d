"""Who asked for a trace, and that it waits for a second person; an alarm that is repeated is counted."""

from alembic import op

revision = "0003"
down_revision = "0002"

CHANGES = """
ALTER TABLE trace
    ADD COLUMN requested_by uuid,
    ADD COLUMN revision integer NOT NULL DEFAULT 1,
    ADD COLUMN held_at timestamptz,
    ADD COLUMN held_contacts integer;

ALTER TABLE alarm ADD COLUMN count integer NOT NULL DEFAULT 1, ADD COLUMN last_at timestamptz;
UPDATE alarm SET last_at = raised_at;
ALTER TABLE alarm ALTER COLUMN last_at SET NOT NULL;
CREATE INDEX alarm_of_person_at_place ON alarm (person_ref, checkpoint_id, kind) WHERE checkpoint_id <> '';
CREATE UNIQUE INDEX one_alarm_a_held_trace ON alarm (about) WHERE kind = 'trace_held';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(CHANGES)
