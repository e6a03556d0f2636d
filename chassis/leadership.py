"""Who of several equal processes does a job: the one whose connection holds the job's advisory lock in the database."""

from __future__ import annotations

import psycopg


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
        self._connection = psycopg.connect(
            self._url, autocommit=True, connect_timeout=5, application_name=f"{self._job} (leader)"
        )
        row = self._connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (self._job,)).fetchone()
        if row is None or not row[0]:
            self.release()
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
