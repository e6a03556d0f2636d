"""The service's own PostgreSQL: an engine, and a transaction in sight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

import chassis.arrays  # noqa: F401 (registers how lists are written)

_PASSING = ("08", "53", "40", "57")
"""Classes of SQLSTATE that pass: connection, resources, rollback by a collision, intervention (shutdown, cancel)."""
_PASSING_ALONE = ("55P03", "58030", "25006", "25P03", "25P04")
"""Lock timeout, input or output, read-only during a fail-over, a transaction ended for its age."""
_COLLISIONS = ("40001", "40P01", "55P03")
"""Serialization, deadlock, lock timeout: the connection is well, and the same work may succeed at once."""

PLANNER = "-c enable_seqscan=off -c jit=off"
"""Every statement of a service has an index, and a plan is kept for long: made while a table fits into one page, it
would read the whole table at each call when it has grown. (After the first 3,000 enrolments: 10 million rows read.)"""


class Database:
    def __init__(self, url: str, *, connections_max: int = 10, statement_timeout_s: int = 60) -> None:
        self.url = url
        self.engine: Engine = sa.create_engine(
            sqlalchemy_url(url),
            pool_size=connections_max,
            max_overflow=0,
            pool_timeout=10,
            hide_parameters=True,
            connect_args={
                "connect_timeout": 5,
                "options": f"-c statement_timeout={statement_timeout_s}s -c lock_timeout=10s -c TimeZone=UTC {PLANNER}",
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
    original = error.orig if isinstance(error, DBAPIError) else error
    state = sqlstate_of(error)
    if state is None:
        is_broken = isinstance(error, DBAPIError) and error.connection_invalidated
        return is_broken or isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_PASSING) or state in _PASSING_ALONE


def is_collision(error: BaseException) -> bool:
    """Whether the work only met other work, and may be tried again at once on the same connection."""
    return sqlstate_of(error) in _COLLISIONS


def sqlstate_of(error: BaseException) -> str | None:
    """PostgreSQL's own word for what went wrong; None when it could not say one (a connection that broke)."""
    original = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else None
