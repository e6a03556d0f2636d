"""The service's own PostgreSQL: an engine, a transaction in sight, and the migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_PASSING = ("40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "53300", "53100", "58030", "25006")
"""SQLSTATEs of trouble that passes: serialization, deadlock, lock timeout, cancel, shutdown, resources, fail-over."""


class Database:
    def __init__(self, url: str, *, connections_max: int = 10, statement_timeout_s: int = 60) -> None:
        self.url = url
        self.engine: Engine = sa.create_engine(
            sqlalchemy_url(url),
            pool_size=connections_max,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 5,
                "options": f"-c statement_timeout={statement_timeout_s}s -c lock_timeout=10s -c TimeZone=UTC",
            },
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self.engine.begin() as tx:
            yield tx

    def is_ready(self) -> bool:
        try:
            with self.engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except (DBAPIError, sa.exc.TimeoutError):
            return False
        return True

    def close(self) -> None:
        self.engine.dispose()


def sqlalchemy_url(url: str) -> str:
    """The same database for SQLAlchemy, which wants the driver named."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def is_passing(error: BaseException) -> bool:
    """Whether an error is the database's trouble and not the caller's: the same work may succeed later."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return state.startswith("08") or state in _PASSING


def migrate(url: str, folder: Path) -> None:
    """Bring the database to the newest revision of a service's `migrations/`."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = sqlalchemy_url(url)
    command.upgrade(config, "head")


def run_migrations(config: Config) -> None:
    """What every service's `migrations/env.py` does."""
    from alembic import context

    engine = sa.create_engine(config.attributes["database_url"], poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
        context.configure(connection=connection, transaction_per_migration=False)
        context.run_migrations()
    engine.dispose()
