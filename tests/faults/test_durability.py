"""SIGKILL of PostgreSQL right after acknowledgements: none is lost; with `synchronous_commit=off` they are."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psycopg
import pytest

from chassis.clock import utc_now
from chassis.database import Database
from chassis.migrations import migrate
from guanka.postgres import EmbeddedPostgres
from services.checkpoints import messages
from services.checkpoints.main import tell
from services.checkpoints.partitions import make_first_partitions
from services.checkpoints.scan_log import ScanLog
from services.checkpoints.taken_decisions import TakenDecisions
from tests.integration.checkpoints.test_scan_log import a_scan
from tests.running import ROOT

_COMMIT_EARLY = """
CREATE FUNCTION commit_early() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM set_config('synchronous_commit', 'off', true); RETURN NULL; END $$;
CREATE TRIGGER commit_early BEFORE INSERT ON scan FOR EACH STATEMENT EXECUTE FUNCTION commit_early()
"""
_GATES, _SCANS = 20, 40


@pytest.mark.parametrize("is_durable", [True, False], ids=["as it is", "synchronous_commit=off"])
def test_a_killed_postgresql_loses_what_was_acknowledged_only_where_commits_do_not_wait(is_durable: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="guanka-durability-") as folder:
        server = EmbeddedPostgres(Path(folder), extra={"wal_writer_delay": "10s"})
        server.prepare()
        server.start()
        url = server.create_database("checkpoints")
        migrate(url, ROOT / "services" / "checkpoints" / "migrations")
        make_first_partitions(url, utc_now)
        if not is_durable:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(_COMMIT_EARLY)
        acknowledged = asyncio.run(_scan_and_kill(url, server))
        server.start()
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT scan_id::text FROM scan").fetchall()
        server.stop()
    lost = acknowledged - {scan_id for (scan_id,) in rows}
    assert len(acknowledged) == _GATES * _SCANS
    assert bool(lost) is not is_durable


async def _scan_and_kill(url: str, server: EmbeddedPostgres) -> set[str]:
    """Which scans were acknowledged; PostgreSQL is killed, with all its processes, right after the last."""
    log = ScanLog(url, encode=messages.scan_recorded_payload, keep_taken=TakenDecisions(Database(url), tell).keep)
    await log.start()
    acknowledged = set()

    async def gate() -> None:
        for _ in range(_SCANS):
            scan = a_scan()
            await log.append(scan)
            acknowledged.add(str(scan.attempt.scan_id))

    await asyncio.gather(*(gate() for _ in range(_GATES)))
    server.kill()
    await log.close()
    return acknowledged
