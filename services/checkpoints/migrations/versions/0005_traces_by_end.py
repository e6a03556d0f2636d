"""Traces and their windows by their end: whether any reaches into the time of new scans is asked for every batch."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("CREATE INDEX trace_window_by_end ON trace_window (to_at)")
    op.execute("CREATE INDEX trace_by_end ON trace (to_at)")
