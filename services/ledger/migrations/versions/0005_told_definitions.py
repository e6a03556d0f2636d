"""Which definitions were told to others, and at which revision; pages take the titles of ledgers from them."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE told_definition (definition text PRIMARY KEY, revision integer NOT NULL, digest bytea NOT NULL)"
    )
