"""The entries of a status list whose passes hold no more, beside the colours: zlib over little-endian uint32."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("ALTER TABLE standing_list ADD COLUMN void bytea NOT NULL DEFAULT ''")
