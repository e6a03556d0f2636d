"""The access log in the shape that all services keep: with roles and area of who looked, and whether it was refused."""

from alembic import op

revision = "0006"
down_revision = "0005"

CHANGES = """
ALTER TABLE access_log RENAME COLUMN who TO subject;
ALTER TABLE access_log RENAME COLUMN at TO accessed_at;
ALTER TABLE access_log ADD COLUMN roles text, ADD COLUMN area text, ADD COLUMN is_refused boolean;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(CHANGES)
