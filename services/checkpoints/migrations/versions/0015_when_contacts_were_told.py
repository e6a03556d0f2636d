"""When each contact was told: what one person learns alone within a day is counted by it."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("ALTER TABLE trace_contact ADD COLUMN told_at timestamptz")
    op.execute("CREATE INDEX trace_contact_by_told ON trace_contact (trace_id, told_at)")
