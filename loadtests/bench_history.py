"""`python -m loadtests.bench_history`: how long a case's trace and a page of history take, as the history grows.

Per size a database of its own: four weeks of scans at the 614 screening points and the places where people meet, in
real partitions. Cases are people drawn at random, each traced over its last 14 days by the use case itself, in one
transaction with contacts, windows and events. What is reported is the worst case and the median, first looks included.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
from rich.console import Console
from rich.table import Table

from chassis.database import Database
from chassis.ids import uuid7
from chassis.migrations import migrate
from guanka.home import REFERENCE, ROOT
from guanka.postgres import EmbeddedPostgres
from guanka.report import percentile, write_report
from loadtests.budgets import TRACE_S_MAX
from loadtests.history import days_before, make_scans, person_ref_of
from services.checkpoints.domain.facts import TraceOrder
from services.checkpoints.domain.keeping import Keeping
from services.checkpoints.domain.tracing import read_tracing_rule
from services.checkpoints.main import tell
from services.checkpoints.settings import HERE
from services.checkpoints.store import history
from services.checkpoints.trace import Tracing

DAYS, TRACED_DAYS, SCANS_A_PERSON = 28, 14, 40
CASES, PAGES = 60, 40


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, nargs="+", default=[1_000_000, 20_000_000])
    parser.add_argument("--home", type=Path, help="keep the databases here, and use those that are there")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    started_at = datetime.now(UTC)
    figures: dict[str, float] = {}
    checks: dict[str, bool] = {}
    with tempfile.TemporaryDirectory(prefix="guanka-history-") as folder:
        server = EmbeddedPostgres(arguments.home or Path(folder))
        server.prepare()
        server.start()
        try:
            for scans in arguments.scans:
                _measure(console, server, scans, figures, checks)
        finally:
            server.stop()
    path = write_report("bench-history", started_at, figures, checks)
    _tell(console, figures, checks, path)
    return 0 if all(checks.values()) else 1


def _measure(
    console: Console, server: EmbeddedPostgres, scans: int, figures: dict[str, float], checks: dict[str, bool]
) -> None:
    label = f"{scans // 1_000_000}m" if scans >= 1_000_000 else str(scans)
    people = max(100, scans // SCANS_A_PERSON)
    url = server.create_database(f"history_{label}")
    began = time.monotonic()
    if _stored(url) != scans // DAYS * DAYS:
        migrate(url, ROOT / "services" / "checkpoints" / "migrations")
        make_scans(url, REFERENCE, scans=scans, people=people, days=days_before(datetime.now(UTC).date(), DAYS))
    console.print(f"[dim]{scans:,} scans of {people:,} people are stored ({time.monotonic() - began:.0f} s)[/]")
    database = Database(url)
    chance = random.Random(7)  # noqa: S311 (a choice of cases, not a secret)
    try:
        traces, contacts = _trace_cases(database, chance, people)
        looks = {
            "person_page": _pages_of_people(database, chance, people),
            "checkpoint_page": _pages_of_gates(database),
        }
    finally:
        database.close()
    for name, seconds in {"trace": traces, **looks}.items():
        figures[f"{name}_{label}_s_median"] = percentile(seconds, 0.5)
        figures[f"{name}_{label}_s_worst"] = max(seconds)
    figures[f"trace_{label}_contacts_median"] = percentile(contacts, 0.5)
    limit = max(limit for size, limit in TRACE_S_MAX.items() if size <= max(scans, min(TRACE_S_MAX)))
    checks[f"trace_{label}"] = figures[f"trace_{label}_s_worst"] <= limit


def _stored(url: str) -> int:
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('scan')").fetchone() == (None,):
            return 0
        row = connection.execute("SELECT count(*) FROM scan").fetchone()
        return int(row[0]) if row else 0


def _trace_cases(database: Database, chance: random.Random, people: int) -> tuple[list[float], list[float]]:
    """(seconds, contacts) of each case."""
    rule = read_tracing_rule(json.loads((HERE / "tracing" / "default.json").read_text()))
    now = datetime.now(UTC)
    tracing = Tracing(rule, tell, keeping=Keeping(timedelta(days=DAYS)))
    seconds, contacts = [], []
    for _ in range(CASES):
        person_ref = _person(database, chance.randrange(people))
        order = TraceOrder(uuid7(), "entry", person_ref, now - timedelta(days=TRACED_DAYS), now)
        began = time.perf_counter()
        with database.transaction() as tx:
            trace = tracing.request_trace(tx, order)
        seconds.append(time.perf_counter() - began)
        with database.transaction() as tx:
            found = tx.exec_driver_sql("SELECT count(*) FROM trace_contact WHERE trace_id = %s", (trace.trace_id,))
            contacts.append(float(found.scalar_one()))
    return seconds, contacts


def _pages_of_people(database: Database, chance: random.Random, people: int) -> list[float]:
    """A person's last 28 days, a page of 200."""
    span = _span(DAYS)
    refs = [_person(database, chance.randrange(people)) for _ in range(PAGES)]
    return [_seconds(database, lambda tx, ref=ref: history.of_person(tx, ref, span)) for ref in refs]


def _pages_of_gates(database: Database) -> list[float]:
    """A page of 200 of a week at the busiest checkpoints."""
    span = _span(7)
    with database.transaction() as tx:
        gates = tx.exec_driver_sql("SELECT checkpoint_id FROM checkpoint ORDER BY checkpoint_id LIMIT %s", (PAGES,))
        ids = list(gates.scalars())
    return [_seconds(database, lambda tx, gate=gate: history.of_checkpoint(tx, gate, span)) for gate in ids]


def _span(days: int) -> history.Span:
    now = datetime.now(UTC)
    return history.Span(now - timedelta(days=days), now, "4401", None, 200)


def _person(database: Database, number: int) -> UUID:
    with database.transaction() as tx:
        ref: UUID = tx.exec_driver_sql(f"SELECT {person_ref_of(number)}").scalar_one()
    return ref


def _seconds(database: Database, look: Callable[..., object]) -> float:
    began = time.perf_counter()
    with database.transaction() as tx:
        look(tx)
    return time.perf_counter() - began


def _tell(console: Console, figures: Mapping[str, float], checks: Mapping[str, bool], path: Path) -> None:
    table = Table("figure", "value", box=None)
    for name, value in figures.items():
        table.add_row(name, f"{value:.4f}" if name.endswith(("median", "worst")) and "_s_" in name else f"{value:.0f}")
    console.print(table)
    for name, holds in checks.items():
        console.print(f"{'[green]✓[/]' if holds else '[red]✗[/]'} {name}")
    console.print(f"[dim]written to {path.parent.name}/{path.name}[/]")


if __name__ == "__main__":
    raise SystemExit(main())
