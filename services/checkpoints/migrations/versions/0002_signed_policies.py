"""Policies become signed: a version is what was signed, from when it is in force, and who published it."""

from alembic import op

revision = "0002"
down_revision = "0001"

SIGNED = """
-- What was never signed is no policy any more; scans keep the name of the version that decided them.
DELETE FROM policy;
ALTER TABLE policy
    DROP COLUMN document,
    DROP COLUMN first_used_at,
    ADD COLUMN token text NOT NULL,
    ADD COLUMN effective_from timestamptz NOT NULL,
    ADD COLUMN published_by text NOT NULL,
    ADD COLUMN published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Of two that take effect at the same moment, the one published later counts.
    ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
"""


def upgrade() -> None:
    op.execute(SIGNED)
