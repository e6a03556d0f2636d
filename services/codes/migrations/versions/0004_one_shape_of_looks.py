"""The access log in the shape that all services keep: with roles and area of who looked, and whether it was refused."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE access_log ADD COLUMN roles text, ADD COLUMN area text, "
        "ADD COLUMN is_refused boolean, ALTER COLUMN accessed_at SET DEFAULT clock_timestamp()"
    )
