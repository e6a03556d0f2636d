"""`python -m loadtests.bench_relay`: how many outbox rows a second one process carries to a real Kafka.

The outbox is filled first, by PostgreSQL, with rows as scans leave them; then one relay, in a process of its own, has
to empty it. Counted from its first read to its last deletion, with what the log holds compared at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

import chassis
from chassis.event_log import Topic
from chassis.event_log.opening import open_event_log
from guanka.home import ROOT
from guanka.kafka_broker import Cluster
from guanka.postgres import EmbeddedPostgres
from guanka.report import write_report
from loadtests.budgets import RELAY_ROWS_PER_S_MIN

_TOPIC = Topic("checkpoints.scans.v1", 12, 28 * 86_400)
_FILL = """
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
SELECT uuidv7(), 'scan', md5('person' || n %% 100000)::uuid, 'guanka.checkpoints.v1.ScanRecorded',
       decode(repeat(md5(n::text), 16), 'hex'),
       jsonb_build_object('ce_subject', 'scan/' || uuidv7(), 'ce_revision', '1', 'ce_district', '440103',
                          'ce_time', '2026-11-22T08:00:00.123456+00:00',
                          'traceparent', '00-' || md5(n::text) || '-' || left(md5(n::text), 16) || '-01')
FROM generate_series(1, %s) AS n
"""
_RELAY = """
import sys, threading
from chassis.event_log.opening import open_event_log
from chassis.relay import Relay

relay = Relay(sys.argv[1], open_event_log(sys.argv[2], client_id="bench-relay"), source="/checkpoints",
              topics={"scan": "checkpoints.scans.v1"})
threading.Thread(target=relay.run, args=(threading.Event(),), daemon=True).start()
sys.stdin.read()
"""
_WAIT_S = 180.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000)
    arguments = parser.parse_args()
    started_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="guanka-relay-") as folder:
        postgres = EmbeddedPostgres(Path(folder))
        postgres.prepare()
        postgres.start()
        cluster = Cluster(Path(folder) / "kafka")
        cluster.start()
        try:
            figures, checks = _measure(postgres, cluster.bootstrap, arguments.rows)
        finally:
            cluster.stop()
            postgres.stop()
    path = write_report("bench-relay", started_at, figures, checks)
    _tell(figures, checks, path)
    return 0 if all(checks.values()) else 1


def _measure(postgres: EmbeddedPostgres, bootstrap: str, rows: int) -> tuple[dict[str, float], dict[str, bool]]:
    url = postgres.create_database("outbox")
    event_log = open_event_log(f"kafka:{bootstrap}", client_id="bench")
    event_log.declare([_TOPIC])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((Path(chassis.__file__).parent / "mechanics_v1.sql").read_bytes())
        connection.execute(_FILL, (rows,))
        relay = subprocess.Popen(
            [sys.executable, "-c", _RELAY, url, f"kafka:{bootstrap}"], cwd=ROOT, stdin=subprocess.PIPE
        )
        try:
            seconds, cpu_s, memory_mb = _watch(connection, psutil.Process(relay.pid), rows)
        finally:
            relay.kill()
            relay.wait()
    written = sum(end - start for start, end in event_log.bounds(_TOPIC.name).values())
    event_log.close()
    figures = {
        "rows": rows,
        "rows_per_s": rows / seconds,
        "relay_cpu_us_per_row": cpu_s / rows * 1e6,
        "relay_memory_growth_mb": memory_mb,
    }
    return figures, {
        "rows_per_s": figures["rows_per_s"] >= RELAY_ROWS_PER_S_MIN,
        "every_row_is_in_the_log_once": written == rows,
    }


def _watch(connection: psycopg.Connection, relay: psutil.Process, rows: int) -> tuple[float, float, float]:
    """(seconds, CPU seconds, MB grown) from the first rows gone until the last."""
    deadline = time.monotonic() + _WAIT_S
    while (left := _left(connection)) == rows:
        _check(relay, deadline)
    began, first, cpu_s, memory = time.monotonic(), left, sum(relay.cpu_times()[:2]), relay.memory_info().rss
    highest = memory
    while _left(connection):
        highest = max(highest, relay.memory_info().rss)
        _check(relay, deadline)
    share = first / rows
    return (
        (time.monotonic() - began) / share,
        (sum(relay.cpu_times()[:2]) - cpu_s) / share,
        (highest - memory) / 2**20,
    )


def _left(connection: psycopg.Connection) -> int:
    """Rows between the first and the last `seq`: the relay deletes from the front."""
    row = connection.execute(
        "SELECT coalesce((SELECT seq FROM outbox ORDER BY seq DESC LIMIT 1) "
        "- (SELECT seq FROM outbox ORDER BY seq LIMIT 1) + 1, 0)"
    ).fetchone()
    return int(row[0]) if row else 0


def _check(relay: psutil.Process, deadline: float) -> None:
    if not relay.is_running() or time.monotonic() > deadline:
        raise RuntimeError("the relay did not empty the outbox")
    time.sleep(0.05)


def _tell(figures: dict[str, float], checks: dict[str, bool], path: Path) -> None:
    console = Console(highlight=False)
    table = Table("figure", "value", box=None)
    for name, value in figures.items():
        table.add_row(name, f"{value:,.1f}")
    console.print(table)
    for name, holds in checks.items():
        console.print(f"{'[green]✓[/]' if holds else '[red]✗[/]'} {name}")
    console.print(f"[dim]written to {path.parent.name}/{path.name}[/]")


if __name__ == "__main__":
    raise SystemExit(main())
