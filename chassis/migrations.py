"""The migrations of a service's database; apart from database.py, since only who migrates loads Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config

from chassis.database import sqlalchemy_url


def migrate(url: str, folder: Path) -> None:
    """Bring the database to the newest revision of a service's `migrations/`."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = sqlalchemy_url(url)
    command.upgrade(config, "head")


def run_migrations(config: Config) -> None:
    """What every service's `migrations/env.py` does."""
    engine = sa.create_engine(config.attributes["database_url"], poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
        context.configure(connection=connection, transaction_per_migration=False)
        context.run_migrations()
    engine.dispose()
