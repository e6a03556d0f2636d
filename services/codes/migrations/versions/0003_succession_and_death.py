"""Evidence that follows on other evidence, and people whose death is recorded."""

from alembic import op

revision = "0003"
down_revision = "0002"

CHANGES = """
ALTER TABLE evidence ADD COLUMN succeeded_by uuid;
DROP INDEX evidence_of_person;
CREATE INDEX evidence_of_person ON evidence (person_ref) WHERE ended_at IS NULL OR succeeded_by IS NOT NULL;
ALTER TABLE person ADD COLUMN is_void boolean NOT NULL DEFAULT false;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(CHANGES)
