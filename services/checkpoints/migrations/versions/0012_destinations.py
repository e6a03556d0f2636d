"""Where people have gone on to after they were registered: their communities read the registration too."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE registration_destination (registration_id uuid NOT NULL, area text NOT NULL, "
        "told_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (registration_id, area))"
    )
