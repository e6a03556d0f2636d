"""What ledgers and their stages are called, by version of the definition, as the ledger tells it."""

from alembic import op

revision = "0002"
down_revision = "0001"


TABLES = """
CREATE TABLE ledger_title (
    ledger text NOT NULL,
    version integer NOT NULL,
    valid_from timestamptz NOT NULL,
    strength integer NOT NULL,
    zh text NOT NULL,
    en text NOT NULL,
    PRIMARY KEY (ledger, version)
);

CREATE TABLE stage_title (
    ledger text NOT NULL,
    version integer NOT NULL,
    stage text NOT NULL,
    zh text NOT NULL,
    en text NOT NULL,
    PRIMARY KEY (ledger, version, stage),
    FOREIGN KEY (ledger, version) REFERENCES ledger_title ON DELETE CASCADE
);
"""


def upgrade() -> None:
    op.execute(TABLES)
