"""When a gate decided otherwise about a used-up pass: what it reads after that repeats nothing."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("ALTER TABLE used_pass ADD COLUMN ended_at timestamptz")
