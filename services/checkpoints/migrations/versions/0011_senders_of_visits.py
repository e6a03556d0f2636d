"""Who sent a visit that was reported by a poster."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE venue_visit (scan_id uuid PRIMARY KEY, sent_by text NOT NULL, person_ref uuid NOT NULL, "
        "recorded_at timestamptz NOT NULL)"
    )
    op.execute("CREATE INDEX venue_visit_by_time ON venue_visit (recorded_at)")
