"""People inside a venue of whom nobody knows who they are."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("ALTER TABLE venue_count ADD COLUMN strangers bigint NOT NULL DEFAULT 0")
