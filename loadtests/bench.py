"""`make bench`: the scan path against its floors (bench_path.py), and the promise: how long the news of a case takes to
the gates, how long a start takes, how much memory rest takes.

Each event log gets a product of its own, in a fresh home, so that every run starts from a known state. Per repeat, 200
people and a case were at the same place, another one each time: a case is traced for half an hour on. The case is
confirmed over HTTP, and every contact holds a pass to a gate again and again until it is refused there. The worst
repeat counts.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from guanka.demo.case import Outcome, confirm
from guanka.demo.city import MEETING_KINDS, Citizen, Gate, read_gates
from guanka.demo.riders import Riders
from guanka.demo.witness import Witness
from guanka.home import REFERENCE, Home
from guanka.report import percentile, write_report
from loadtests import bench_path
from loadtests.budgets import CASE_TO_LAST_STOP_S_MAX, CONTACTS, MEMORY_MB_MAX, READY_S_MAX, REPEATS
from tests.running import Product, running_product

_COMMUNITY = "440103001101"
_REST_S = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", nargs="+", default=["local", "kafka"], choices=["local", "kafka"])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--parts", nargs="+", default=["path", "promise"], choices=["path", "promise"])
    arguments = parser.parse_args()
    console = Console(highlight=False)
    started_at = datetime.now(UTC)
    figures: dict[str, float] = {}
    checks: dict[str, bool] = {}
    if "path" in arguments.parts:
        of_path, kept = bench_path.measure(console, bench_path.TURNS, bench_path.SECONDS, bench_path.CONNECTIONS)
        figures, checks = figures | of_path, checks | kept
    for events in arguments.events if "promise" in arguments.parts else []:
        _measure(console, events, arguments.repeats, figures, checks)
    path = write_report("bench", started_at, figures, checks)
    _tell(console, figures, checks, path)
    return 0 if all(checks.values()) else 1


def _measure(console: Console, events: str, repeats: int, figures: dict[str, float], checks: dict[str, bool]) -> None:
    with running_product(events=events) as product:
        figures[f"{events}_first_start_s"] = product.started_s
        product.stop()
        figures[f"{events}_next_start_s"] = product.start()
        time.sleep(_REST_S)
        figures[f"{events}_memory_at_rest_mb"] = memory_mb(product.pid)
        outcomes = asyncio.run(_repeat(console, product, repeats))
    stops = [outcome.last_stop_s for outcome in outcomes]
    figures[f"{events}_case_to_last_stop_s_worst"] = max(stops)
    figures[f"{events}_case_to_last_stop_s_median"] = percentile(stops, 0.5)
    figures[f"{events}_case_to_trace_s_median"] = percentile([o.after_report_s(o.traced_at) for o in outcomes], 0.5)
    checks[f"{events}_case_to_last_stop"] = max(stops) <= CASE_TO_LAST_STOP_S_MAX[events]
    checks[f"{events}_ready"] = max(figures[f"{events}_{n}_start_s"] for n in ("first", "next")) <= READY_S_MAX
    if events in MEMORY_MB_MAX:
        checks[f"{events}_memory"] = figures[f"{events}_memory_at_rest_mb"] <= MEMORY_MB_MAX[events]


async def _repeat(console: Console, product: Product, repeats: int) -> list[Outcome]:
    home = Home(product.home)
    metro, venues = read_gates(REFERENCE)
    places = [gate for gate in venues if gate.kind in MEETING_KINDS]
    witness = Witness(home)
    witness.watch()
    outcomes = []
    try:
        async with Riders(home) as riders:
            for n in range(repeats):
                outcomes.append(await _one(riders, witness, n, places[n % len(places)], metro))
                console.print(
                    f"[dim]{product.events}: repeat {n + 1} of {repeats}: {outcomes[-1].last_stop_s:.3f} s[/]"
                )
    finally:
        witness.close()
    return outcomes


async def _one(riders: Riders, witness: Witness, repeat: int, place: Gate, metro: list[Gate]) -> Outcome:
    slots = asyncio.Semaphore(24)

    async def visit(n: int) -> str:
        async with slots:
            citizen = Citizen(f"BENCH{repeat:04d}{n:06d}", f"示例市民{n}", _COMMUNITY, 36.5, (), declares=True)
            person_ref = await riders.enrol(citizen)
            await riders.scan(n, await riders.show_pass(person_ref), place)
            return person_ref

    people = list(await asyncio.gather(*(visit(n) for n in range(CONTACTS + 1))))
    return await confirm(
        riders,
        witness,
        people,
        case=0,
        area=_COMMUNITY,
        contacts=set(range(1, CONTACTS + 1)),
        untouched=set(range(1, CONTACTS + 1)),
        gates=metro,
    )


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and all below it, in MB: shared pages are counted once."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return sum(process.memory_full_info().pss for process in family) / 2**20


def _tell(console: Console, figures: dict[str, float], checks: dict[str, bool], path: Path) -> None:
    table = Table("figure", "value", box=None)
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    console.print(table)
    for name, holds in checks.items():
        console.print(f"{'[green]✓[/]' if holds else '[red]✗[/]'} {name}")
    console.print(f"[dim]written to {path.parent.name}/{path.name}[/]")


if __name__ == "__main__":
    raise SystemExit(main())
