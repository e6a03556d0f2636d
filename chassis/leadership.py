"""Who of several equal processes does a job: the one whose connection holds the job's advisory lock in the database."""

from __future__ import annotations

from typing import Any

import psycopg

LIVELY_CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""A connection that waits most of its life notices within half a minute that the other side is gone."""


class Leadership:
    """A session lock on a connection of its own (never through a transaction pooler). One thread uses it."""

    def __init__(self, database_url: str, job: str) -> None:
        self._url, self._job = database_url, job
        self._connection: psycopg.Connection | None = None

    def take(self) -> psycopg.Connection | None:
        """The connection that holds the lock, in autocommit; None while another process holds it.

        Raises psycopg.OperationalError when the database cannot be reached; a lock held before is then gone.
        """
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._connection = None
        connection = psycopg.connect(
            self._url, autocommit=True, application_name=f"{self._job} (leader)", **LIVELY_CONNECTION
        )
        try:
            row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (self._job,)).fetchone()
            if row is not None and row[0]:
                self._connection = connection
        finally:
            if self._connection is None:
                connection.close()
        return self._connection

    def is_held(self) -> bool:
        """Whether the connection with the lock still answers."""
        try:
            return self._connection is not None and self._connection.execute("SELECT 1").fetchone() is not None
        except psycopg.Error:
            self.release()
            return False

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
