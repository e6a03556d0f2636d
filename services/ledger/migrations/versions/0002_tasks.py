"""Tasks, and what an alarm is about besides an entry or a scan."""

from alembic import op

revision = "0002"
down_revision = "0001"

TASKS = """
CREATE TABLE task (
    task_id uuid PRIMARY KEY,
    kind text NOT NULL,
    person_ref uuid NOT NULL,
    owner text COLLATE "C" NOT NULL CHECK (owner <> ''),
    area text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    cause_id uuid NOT NULL,
    facts jsonb NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    completed_at timestamptz,
    completed_by text,
    outcome text,
    escalated_at timestamptz,
    CONSTRAINT completed_task_has_an_outcome CHECK (
        (completed_at IS NULL) = (outcome IS NULL) AND (completed_at IS NULL) = (completed_by IS NULL)
    )
);
CREATE UNIQUE INDEX one_task_a_cause ON task (kind, cause_id);
CREATE INDEX task_by_person ON task (person_ref);
CREATE INDEX task_by_area ON task (area, task_id);
CREATE INDEX task_unescalated ON task (due_at) WHERE completed_at IS NULL AND escalated_at IS NULL;

ALTER TABLE alarm ADD COLUMN about text NOT NULL DEFAULT '';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(TASKS)
