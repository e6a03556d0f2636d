"""`make load SHAPE=…`: a known state, a load of a real shape by Locust, the count afterwards, and a report.

The environment says what: SHAPE (peak), USERS, SECONDS, MINUTES, SCANS, PEOPLE, PROFILE, WORKERS, SEED, EVENTS; see
docs/load.md. The exit status is not zero when a budget of budgets.py is missed or the count does not come out even.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from guanka.home import REFERENCE, ROOT
from guanka.keys import TokenIssuer
from guanka.processes import be_nice, die_with_parent
from guanka.report import write_report
from guanka.stack import STATUS_LIST_URI
from loadtests.bench_storm import Storms
from loadtests.figures import figures_of, use_figures, write_series
from loadtests.journal import acknowledgements_in, read_journals
from loadtests.machine_use import cpu_seconds, machine_seconds
from loadtests.outcome import checks_of, who_got_no_answer
from loadtests.plan import PART_VARIABLE, PLAN_VARIABLE, Plan, place_of_address
from loadtests.population import person_ref
from loadtests.reckoning import Reckoning, await_drained, reckon
from loadtests.shapes import PROFILES, Asked, Shape, read_points, shape_names, shape_of, stations_of
from loadtests.stack import LoadStack, load_stack
from loadtests.vegeta import VegetaMissing, binary

_PEOPLE_MIN, _RIDERS = 200_000, 5_000
_CITY_TIME = ZoneInfo("Asia/Shanghai")
_DRAIN_S, _DRAINED_PER_S = 60.0, 1000
_TIME_OVER_S, _CLOSED_S_MAX = 300.0, 4 * 3600.0
_GENERATOR_NICENESS = -10
_MASTER_PORTS_AFTER = 5
"""Locust's master takes two ports behind those of the product."""


class AskedWrongly(Exception):
    """What was asked for is no load."""


class LoadFailed(Exception):
    """Locust did not get through; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run, as read from the environment."""

    shape: Shape
    people: int
    workers: int
    seed: int
    events: str


def order_of(environ: Mapping[str, str]) -> Order:
    """Raises `AskedWrongly` that names the variable."""

    def number(name: str) -> int | None:
        given = environ.get(name, "")
        if given and (not given.isdecimal() or int(given) < 1):
            raise AskedWrongly(f"{name}={given}: a whole number from 1 on is needed")
        return int(given) if given else None

    profile = environ.get("PROFILE") or "weekday"
    if profile not in PROFILES:
        raise AskedWrongly(f"PROFILE={profile}: one of {', '.join(PROFILES)} is needed")
    asked = Asked(number("USERS"), number("SECONDS"), number("MINUTES"), number("SCANS"), profile)
    name = environ.get("SHAPE") or "peak"
    if name not in shape_names():
        raise AskedWrongly(f"SHAPE={name}: one of {', '.join(shape_names())} is needed")
    shape = shape_of(name, asked)
    people = number("PEOPLE") or max(_PEOPLE_MIN, people_needed(shape))
    return Order(shape, people, number("WORKERS") or 1, number("SEED") or 1, environ.get("EVENTS") or "local")


def people_needed(shape: Shape) -> int:
    """So many that nobody comes twice within an open shape, and twice within a day."""
    if shape.is_open:
        return round(sum(segment.seconds * segment.scans_per_s for segment in shape.segments) * 1.02)
    return shape.scans // 2


def main() -> int:
    console = Console(highlight=False)
    try:
        order = order_of(os.environ)
    except AskedWrongly as error:
        console.print(f"[red]{error}[/]")
        return 2
    started_at = datetime.now(UTC)
    console.print(f"a city of {order.people:,} people is made, and the product started for it")
    settings = dict(order.shape.settings)
    with load_stack(order.people, events=order.events, settings=settings, seed=order.seed) as stack:
        figures, checks = run(stack, order, console, ROOT / "build" / "reports")
        if order.shape.name == "storm":
            add_foreign(stack, order, console, figures, checks)
    for name in ("load", f"load-{order.shape.name}"):
        path = write_report(name, started_at, figures, checks)
    _tell(console, order.shape, figures, checks, path)
    return 0 if all(checks.values()) else 1


def run(stack: LoadStack, order: Order, console: Console, reports: Path) -> tuple[dict[str, float], dict[str, bool]]:
    """Offer the load, wait for the last event, count; CSV and HTML go to the folder `reports`."""
    folder = stack.home.path / "load"
    folder.mkdir()
    reports.mkdir(parents=True, exist_ok=True)
    plan = plan_of(stack, order, folder)
    plan.write(folder / "plan.json")
    stack.population.write(plan.people)
    processes = stack.product.running["processes"]
    console.print(
        f"{order.shape.name}: {_described(order.shape)}, {order.shape.users} clients, {order.workers} workers"
    )
    before, all_before = cpu_seconds(processes), machine_seconds()
    run_locust(order, plan, stack.product.port_base + _MASTER_PORTS_AFTER, reports / f"load-{order.shape.name}")
    parts = [folder / f"part-{part}" for part in range(order.workers)]
    drained_at = await_drained(stack, patience_s=_DRAIN_S + acknowledgements_in(parts) / _DRAINED_PER_S)
    used = {name: value - before[name] for name, value in cpu_seconds(stack.product.running["processes"]).items()}
    everything = machine_seconds() - all_before
    written = read_journals(parts)
    figures = figures_of(order.shape, written)
    figures["drained_after_s"] = max(0.0, drained_at - written.figures["acknowledged_at"])
    figures |= use_figures(used, everything, written, figures["drained_after_s"])
    if order.shape.name == "day":
        _add_day(figures, len(written.acknowledged))
    console.print(f"reading {len(written.acknowledged):,} scans back")
    reckoning = reckon(stack, written.acknowledged, written.unanswered)
    figures |= _counts(reckoning) | {"people": order.people, "checkpoints": len(plan.gates), "workers": order.workers}
    write_series(reports / f"load-{order.shape.name}.csv", written.results)
    return figures, checks_of(order.shape, figures, reckoning, was_cut_short=written.figures["cut_short"] > 0)


def add_foreign(
    stack: LoadStack, order: Order, console: Console, figures: dict[str, float], checks: dict[str, bool]
) -> None:
    """The same storm by Vegeta: Locust takes a core for itself, and hides what the product takes."""
    try:
        binary()
    except VegetaMissing as error:
        console.print(f"[yellow]{error}[/]")
        return
    seconds = round(order.shape.segments[-1].seconds)
    foreign, kept = Storms(stack, console, seconds).run(["storm"])
    figures |= {f"vegeta_{name}": value for name, value in foreign.items()}
    checks |= {f"vegeta_{name}": holds for name, holds in kept.items()}


def plan_of(stack: LoadStack, order: Order, folder: Path) -> Plan:
    issuer, points = TokenIssuer(stack.home), read_points(REFERENCE)
    midnight = datetime.combine(datetime.now(_CITY_TIME).date() - timedelta(days=1), time_of_day(), _CITY_TIME)
    riders = range(min(_RIDERS, order.people)) if order.shape.scenario == "riders" else ()
    refs = [person_ref(stack.city_key, person) for person in riders]
    return Plan(
        shape=order.shape,
        seed=order.seed,
        midnight_s=midnight.timestamp(),
        folder=folder,
        checkpoints=place_of_address(stack.product.address("checkpoints")),
        codes=place_of_address(stack.product.address("codes")),
        signing_keys=stack.home.keys / "signing.json",
        status_list_uri=STATUS_LIST_URI,
        gates={p.checkpoint_id: issuer.token("gate", checkpoints=[p.checkpoint_id]) for p in points},
        stations={
            name: issuer.token("gate", checkpoints=[p.checkpoint_id for p in own])
            for name, own in stations_of(points).items()
        },
        riders=[(ref, issuer.token("citizen", person=ref, area="")) for ref in refs],
    )


def run_locust(order: Order, plan: Plan, port: int, report: Path) -> None:
    """One process, or a master and its workers, all on this machine. Raises `LoadFailed`."""
    shape = order.shape
    seconds = shape.duration_s + _TIME_OVER_S if shape.duration_s else _CLOSED_S_MAX
    users = max(shape.users, 2 * order.workers)
    report_options = ["--csv", str(report), "--csv-full-history", "--html", f"{report}.html", "--only-summary"]
    load = ["--headless", "--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds:.0f}s"]
    load += [*report_options, "--exit-code-on-error", "0"]
    if order.workers == 1:
        return _end_well([_locust(plan, "0/1", load)], _log(plan))
    master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
    master += ["--expect-workers", str(order.workers)]
    worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
    parts = [f"{part}/{order.workers}" for part in range(order.workers)]
    processes = [_locust(plan, parts[0], load + master), *(_locust(plan, part, worker) for part in parts)]
    return _end_well(processes, _log(plan))


def _locust(plan: Plan, part: str, options: list[str]) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        PLAN_VARIABLE: str(plan.folder / "plan.json"),
        PART_VARIABLE: part,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), *options]
    with _log(plan).open("ab") as log:
        return subprocess.Popen(
            [*command, "--loglevel", "WARNING"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_come_first,  # noqa: PLW1509 (a few system calls, started from the main thread)
        )


def _come_first() -> None:
    """People do not wait for the service's cores: where it may, the generator takes its share before the product."""
    die_with_parent()
    with suppress(PermissionError):
        be_nice(_GENERATOR_NICENESS)


def _log(plan: Plan) -> Path:
    return plan.folder / "locust.log"


def _end_well(processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    try:
        for process in processes:
            if process.wait():
                raise LoadFailed(f"Locust ended with status {process.returncode}:\n{log.read_text()[-4000:]}")
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _add_day(figures: dict[str, float], scans: int) -> None:
    """A day is over when its last event is in the log."""
    figures["scans_per_s"] = scans / (figures["seconds"] + figures["drained_after_s"])
    figures["minutes_for_7_million"] = 7_000_000 / figures["scans_per_s"] / 60


def _counts(reckoning: Reckoning) -> dict[str, float]:
    names = ("acknowledged", "stored", "told", "told_again", "lost", "untold", "unexplained")
    return {name: float(getattr(reckoning, name)) for name in names}


def _described(shape: Shape) -> str:
    if shape.scans:
        return f"{shape.scans:,} scans"
    if not shape.is_open:
        return f"{shape.seconds:.0f} s"
    return ", then ".join(
        f"{segment.scans_per_s:,.0f} scans/s for {segment.seconds:.0f} s" for segment in shape.segments
    )


def _tell(console: Console, shape: Shape, figures: Mapping[str, float], checks: Mapping[str, bool], path: Path) -> None:
    console.print(f"[bold]{who_got_no_answer(shape, figures)}[/]")
    for name, value in figures.items():
        console.print(f"  {name} {value:,.2f}")
    for name, holds in checks.items():
        console.print(f"  {'[green]✓[/]' if holds else '[red]✗[/]'} {name.replace('_', ' ')}")
    console.print(f"[dim]written to {path.parent.name}/{path.name}, with .csv and .html beside it[/]")


if __name__ == "__main__":
    raise SystemExit(main())
