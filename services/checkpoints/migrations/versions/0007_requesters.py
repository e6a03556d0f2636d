"""Who asked for a trace, as a pseudonym, and the area of its case; who looked, in which roles, bound to which area."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE trace ADD COLUMN requester uuid, ADD COLUMN area text NOT NULL DEFAULT ''")
    op.execute("CREATE INDEX trace_by_requester ON trace (requester, requested_at)")
    op.execute("ALTER TABLE access_log ADD COLUMN roles text, ADD COLUMN area text, ADD COLUMN is_refused boolean")
    op.execute("CREATE INDEX trace_held ON trace (trace_id) WHERE status = 'held'")
