"""`python -m loadtests.bench_growth`: what a scan costs with one, two and four times the people and the history.

Per size a database of its own (holders, and weeks of scans), and a board of as many people. Each week has visitors of
its own, as many and as busy as those of any other: so the history has two and four times the people, and a case's own
work (its scans, and who was at the same place) is the same in all. Were the same visits spread over more people, a case
would have fewer of them, and a trace would seem to become cheaper. The sizes take turns, round after round, so that
whatever else the machine does falls on all of them; ratios are of medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
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
from loadtests.budgets import GROWTH_RATIO_MAX
from loadtests.history import LIST_SIZE, days_before, lists_of, make_holders, make_scans, person_ref_of
from services.checkpoints import messages
from services.checkpoints.board import Board
from services.checkpoints.domain.facts import TraceOrder
from services.checkpoints.domain.keeping import Keeping
from services.checkpoints.domain.scans import Attempt, Checkpoint, Colour, Decision, Entry, Ruling, Scan
from services.checkpoints.domain.tracing import read_tracing_rule
from services.checkpoints.main import tell
from services.checkpoints.scan_log import ScanLog
from services.checkpoints.settings import HERE
from services.checkpoints.taken_decisions import TakenDecisions
from services.checkpoints.trace import Tracing

FACTORS = (1, 2, 4)
WEEK_DAYS, TRACED_DAYS, SCANS_A_PERSON_A_DAY = 7, 6, 2
ROUNDS, GROUPS, GROUP, LOOKS, CASES = 8, 10, 100, 20_000, 4


class Size:
    """A city of one size, and what was measured of it: seconds, by what."""

    def __init__(self, server: EmbeddedPostgres, factor: int, *, people: int, scans: int) -> None:
        self.people, self.scans, self.weeks = people * factor, scans * factor, factor
        self.visitors_a_week = scans // WEEK_DAYS // SCANS_A_PERSON_A_DAY
        self.visitors = self.visitors_a_week * factor
        self.url = server.create_database(f"growth_by_weeks_{factor}")
        self.board = Board(30)
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._chance = random.Random(factor)  # noqa: S311 (a choice of people, not a secret)

    def prepare(self) -> None:
        for number, revision, packed in lists_of(self.people):
            self.board.put(number - 1, revision, packed)
        with psycopg.connect(self.url) as connection:
            if connection.execute("SELECT to_regclass('growth_is_made')").fetchone() != (None,):
                return
        migrate(self.url, ROOT / "services" / "checkpoints" / "migrations")
        for visitors, days in self.history(datetime.now(UTC).date()):
            make_scans(
                self.url,
                REFERENCE,
                scans=self.scans // self.weeks,
                people=len(visitors),
                first_person=visitors.start,
                days=days,
            )
        make_holders(self.url, first=0, until=self.people)
        with psycopg.connect(self.url) as connection:
            connection.execute("CREATE TABLE growth_is_made ()")

    def history(self, today: date) -> list[tuple[range, list[date]]]:
        """Who visits (numbers of people) on which days, week by week; the last one ends yesterday."""
        days = days_before(today, WEEK_DAYS * self.weeks)
        firsts = range(0, self.visitors, self.visitors_a_week)
        return [
            (range(first, first + self.visitors_a_week), days[week * WEEK_DAYS : (week + 1) * WEEK_DAYS])
            for week, first in enumerate(firsts)
        ]

    def case(self) -> int:
        """Somebody of the last week, which is what is traced."""
        return self._chance.randrange(self.visitors - self.visitors_a_week, self.visitors)

    def entry(self) -> Entry:
        return Entry(*divmod(self._chance.randrange(self.people), LIST_SIZE))

    def look_up(self) -> None:
        entries = [self.entry() for _ in range(LOOKS)]
        standing_of, began = self.board.standing_of, time.perf_counter()
        for entry in entries:
            standing_of(entry, 0.0)
        self.seconds["board_look_up"].append((time.perf_counter() - began) / LOOKS)

    async def append(self, place: Checkpoint) -> None:
        log = ScanLog(
            self.url,
            encode=messages.scan_recorded_payload,
            keep_taken=TakenDecisions(Database(self.url), tell).keep,
            connections=1,
        )
        await log.start()
        try:
            await log.append_all(self._group(place))
            for _ in range(GROUPS):
                group = self._group(place)
                began = time.perf_counter()
                rulings = await log.append_all(group)
                self.seconds["append"].append((time.perf_counter() - began) / GROUP)
                assert all(isinstance(ruling, Ruling) for ruling in rulings)
        finally:
            await log.close()

    def _group(self, place: Checkpoint) -> list[Scan]:
        now = datetime.now(UTC)
        ruling = Ruling(Decision.PASS, Colour.GREEN, None, "metro@1", 1, now)
        return [
            Scan(Attempt(uuid7(now), place.checkpoint_id, now, b"d" * 32), place, self.entry(), ruling)
            for _ in range(GROUP)
        ]

    def trace(self, tracing: Tracing) -> None:
        now = datetime.now(UTC)
        database = Database(self.url)
        try:
            for _ in range(CASES):
                with database.transaction() as tx:
                    which = person_ref_of(self.case())
                    person_ref: UUID = tx.exec_driver_sql(f"SELECT {which}").scalar_one()
                order = TraceOrder(uuid7(), "entry", person_ref, now - timedelta(days=TRACED_DAYS), now)
                began = time.perf_counter()
                with database.transaction() as tx:
                    tracing.request_trace(tx, order)
                self.seconds["trace"].append(time.perf_counter() - began)
        finally:
            database.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--people", type=int, default=5_000_000, help="of the smallest size; the others have 2 and 4 times"
    )
    parser.add_argument("--scans", type=int, default=1_000_000, help="stored, likewise")
    parser.add_argument("--home", type=Path, help="keep the databases here, and use those that are there")
    arguments = parser.parse_args()
    started_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="guanka-growth-") as folder:
        server = EmbeddedPostgres(arguments.home or Path(folder))
        server.prepare()
        server.start()
        try:
            sizes = [Size(server, factor, people=arguments.people, scans=arguments.scans) for factor in FACTORS]
            for size in sizes:
                size.prepare()
                print(f"{size.people:,} people and {size.scans:,} scans are there", flush=True)
            _measure(sizes)
        finally:
            server.stop()
    return _report(sizes, started_at)


def _measure(sizes: list[Size]) -> None:
    rule = read_tracing_rule(json.loads((HERE / "tracing" / "default.json").read_text()))
    tracing = Tracing(rule, tell, keeping=Keeping(timedelta(days=28)))
    with psycopg.connect(sizes[0].url) as connection:
        row = connection.execute("SELECT checkpoint_id, kind, area FROM checkpoint LIMIT 1").fetchone()
    assert row is not None
    place = Checkpoint(row[0], row[1], "", "", row[2], "")
    steps: list[Callable[[Size], object]] = [
        Size.look_up,
        lambda size: asyncio.run(size.append(place)),
        lambda size: size.trace(tracing),
    ]
    for _ in range(ROUNDS):
        for step in steps:
            for size in sizes:
                step(size)


def _report(sizes: list[Size], started_at: datetime) -> int:
    figures: dict[str, float] = {}
    checks: dict[str, bool] = {}
    table = Table(
        "what", *(f"{s.people // 1000:,}k people, {s.scans // 1000:,}k scans" for s in sizes), "ratio", box=None
    )
    costs = {
        what: [percentile(size.seconds[what], 0.5) * 1e6 for size in sizes]
        for what in ("append", "board_look_up", "trace")
    }
    costs["scan"] = [sum(both) for both in zip(costs["append"], costs["board_look_up"], strict=True)]
    for what, medians in costs.items():
        for factor, median in zip(FACTORS, medians, strict=True):
            figures[f"{what}_us_at_{factor}"] = median
        figures[f"{what}_ratio"] = ratio = medians[-1] / medians[0]
        table.add_row(what, *(f"{median:,.1f} µs" for median in medians), f"{ratio:.2f}")
    for what in ("scan", "trace"):
        checks[what] = figures[f"{what}_ratio"] <= GROWTH_RATIO_MAX
    path = write_report("bench-growth", started_at, figures, checks)
    console = Console(highlight=False)
    console.print(table)
    for name, holds in checks.items():
        console.print(f"{'[green]✓[/]' if holds else '[red]✗[/]'} {name}")
    console.print(f"[dim]written to {path.parent.name}/{path.name}[/]")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
