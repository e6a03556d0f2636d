"""What tests share: a real PostgreSQL for the session, and a fresh database for whoever asks."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import structlog

from chassis.database import Database
from chassis.migrations import migrate
from guanka.postgres import EmbeddedPostgres
from tests.kafka_fixture import kafka_bootstrap, kafka_cluster

__all__ = ["kafka_bootstrap", "kafka_cluster"]

ROOT = Path(__file__).resolve().parent.parent
_numbers = itertools.count(1)
_MEMORY, _MEMORY_BYTES_MIN = "/dev/shm", 4 * 1024**3
_COPIED = "STRATEGY file_copy"
"""File by file, not through the log of changes."""


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A composition root sets the process's logging, here to a test's own standard error, which ends with the test."""
    root = logging.getLogger()
    handlers, level, configuration = list(root.handlers), root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of the session's own, ended with it. It survives its own death, not the machine's (no fsync).

    Not in pytest's folder: a second run beside this one closes that folder to the system user the server runs as.
    """
    with tempfile.TemporaryDirectory(prefix="guanka-postgres-", dir=_in_memory()) as folder:
        server = EmbeddedPostgres(Path(folder), extra={"fsync": "off", "full_page_writes": "off"})
        server.prepare()
        server.start()
        yield server
        server.stop()


def _in_memory() -> str | None:
    """Where files live in memory, if this machine has such a place with room: a database of a thousand files is made
    there in 12 ms, on a disk in 270 to 500. None: the usual place of temporary files."""
    if os.path.ismount(_MEMORY) and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES_MIN:
        return _MEMORY
    return None


@pytest.fixture
def fresh_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" {_COPIED}')
        yield postgres.url(name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def mechanics_database(fresh_database: str) -> Iterator[Database]:
    """A database with the chassis' tables only."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute((ROOT / "chassis" / "mechanics_v1.sql").read_bytes())
    database = Database(fresh_database)
    yield database
    database.close()


@pytest.fixture
def migrated(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """`migrated("codes")`: the URL of a fresh database with that service's tables, copied from a template."""
    made: list[str] = []

    def fresh(service: str) -> str:
        template = f"template_{service}"
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (template,)).fetchone():
                migrate(postgres.create_database(template), ROOT / "services" / service / "migrations")
            name = f"{service}_{next(_numbers)}"
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {_COPIED}')
        made.append(name)
        return postgres.url(name)

    yield fresh
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for name in made:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
