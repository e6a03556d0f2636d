"""Beyond the storm: what one api process takes from a foreign generator that does not slow down; see docs/load.md.

Vegeta sends single scans at a constant rate on the same two cores as the product, with passes signed beforehand, so
the generator's cost is small. Each part is one promise: the storm whole, twice the storm, a competitor for a core,
four busy competitors, 20,000 idle connections, and batches of a thousand beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from rich.console import Console

from chassis.ids import uuid7
from guanka.home import REFERENCE
from guanka.keys import TokenIssuer
from guanka.processes import die_with_parent
from guanka.report import write_report
from guanka.stack import STATUS_LIST_URI
from loadtests.budgets import BEYOND_BUDGETS
from loadtests.passes import Mint
from loadtests.scenarios.scans import batch_of, by_pass
from loadtests.shapes import PEAK_PER_S, STORM_TIMES, read_points
from loadtests.stack import LoadStack, load_stack
from loadtests.vegeta import (
    Attack,
    Sent,
    Target,
    VegetaMissing,
    await_moment,
    binary,
    p99_ms,
    per_second,
    write_targets,
)

PARTS = ("storm", "twice", "competitor", "competitors", "connections", "batches")
STORM_PER_S = PEAK_PER_S * STORM_TIMES
PEOPLE = 450_000
CLOSED_LOOP_CLIENTS = 64
_SIGNED_PER_S, _READY_S = 9_000.0, 3.0
_TOKENS = 614
_CONNECTIONS, _ADDRESSES = 20_000, 20
_WARM_S = 5
"""Requests of the first seconds at a tenth of the rate, before what is measured: every token is verified then."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--setting", action="append", default=[], help="NAME=VALUE for the product")
    arguments = parser.parse_args()
    console, started_at = Console(highlight=False), datetime.now(UTC)
    try:
        binary()
    except VegetaMissing as error:
        console.print(f"[red]{error}[/]")
        return 2
    settings = dict(each.split("=", 1) for each in arguments.setting)
    with load_stack(PEOPLE, events="local", settings=settings, seed=1) as stack:
        figures, checks = Storms(stack, console, arguments.seconds).run(arguments.only)
    path = write_report("bench-storm", started_at, figures, checks)
    for name, value in figures.items():
        console.print(f"  {name} {value:,.2f}")
    for name, holds in checks.items():
        console.print(f"  {'[green]✓[/]' if holds else '[red]✗[/]'} {name.replace('_', ' ')}")
    console.print(f"[dim]written to {path.parent.name}/{path.name}[/]")
    return 0 if all(checks.values()) else 1


@dataclass(frozen=True, slots=True)
class Part:
    """A share of an attack's requests, for one process: the n-th, n + step-th … of `count` requests at `rate`."""

    first: int
    step: int
    count: int
    rate: float
    starts_at: float
    offset: int


class Storms:
    """The parts, one after the other, on one product; nobody is scanned twice within the life of a pass."""

    def __init__(self, stack: LoadStack, console: Console, seconds: int) -> None:
        self._stack, self._console, self._seconds = stack, console, seconds
        self._folder = stack.home.path / "vegeta"
        self._folder.mkdir()
        issuer, points = TokenIssuer(stack.home), read_points(REFERENCE)[:_TOKENS]
        self._gates = [
            (p.checkpoint_id, f"Bearer {issuer.token('gate', checkpoints=[p.checkpoint_id])}") for p in points
        ]
        self._bounds = list(accumulate(point.weight for point in points))
        self._url = f"{stack.product.address('checkpoints')}/v1/scans"
        self._people = self._taken = self._unanswered = 0
        self.figures: dict[str, float] = {}

    def run(self, parts: Sequence[str] = PARTS) -> tuple[dict[str, float], dict[str, bool]]:
        """The figures of these parts, and whether each promise holds and every scan that was taken is stored."""
        before = self._stored()
        self._attack(rate=STORM_PER_S / 10, seconds=_WARM_S)
        for name in PARTS:
            if name in parts:
                self._console.print(f"{name} …")
                getattr(self, f"_{name}")()
        stored, figures = self._stored() - before, self.figures
        figures |= {"taken": self._taken, "stored": stored, "unanswered": self._unanswered}
        checks = {budget.figure: budget.is_kept(figures) for budget in BEYOND_BUDGETS if budget.figure in figures}
        checks["taken_is_stored"] = self._taken <= stored <= self._taken + self._unanswered
        return figures, checks

    def _stored(self) -> int:
        with psycopg.connect(self._stack.database("checkpoints")) as connection:
            row = connection.execute("SELECT count(*) FROM scan").fetchone()
        return int(row[0]) if row else 0

    # -- the parts ---------------------------------------------------------------------------------------------------

    def _storm(self) -> None:
        sent = self._attack(rate=STORM_PER_S, seconds=self._seconds)
        self._keep("storm", sent)

    def _twice(self) -> None:
        closed = self._attack(seconds=10, clients=CLOSED_LOOP_CLIENTS)
        best = sorted(per_second(closed)[1:-1])[-2]
        self.figures["twice_closed_loop_per_s"] = best
        sent = self._attack(rate=2 * STORM_PER_S, seconds=self._seconds)
        self._keep("twice", sent)
        seconds, fives = per_second(sent), per_second(sent, window_s=5)
        self.figures["twice_seconds_of_80_percent"] = sum(each >= 0.8 * best for each in seconds) / len(seconds)
        self.figures["twice_worst_5_s_share"] = min(fives) / best
        self.figures["twice_first_second_p99_ms"] = p99_ms(sent, 0, 1)

    def _competitor(self) -> None:
        """One busy program for five seconds; afterwards nobody is refused from two seconds after its end on."""
        with ExitStack() as stack:
            sent = self._attack(rate=2_500, seconds=22, meanwhile=lambda: _compete(stack, 1, after_s=8, for_s=5))
        self._keep("competitor", sent)
        self.figures["competitor_refused_later"] = sum(each.status != 200 for each in sent if each.due_s > 15)

    def _competitors(self) -> None:
        with ExitStack() as stack:
            sent = self._attack(rate=2_500, seconds=22, meanwhile=lambda: _compete(stack, 4, after_s=6, for_s=10))
        self._keep("competitors", sent)
        self.figures["competitors_worst_second_per_s"] = min(per_second(sent)[6:16])

    def _connections(self) -> None:
        """In turns without and with the idle connections."""
        without, with_them = [], []
        for _ in range(2):
            without.append(self._attack(rate=STORM_PER_S, seconds=self._seconds // 4))
            with _idle_connections(self._url) as held:
                with_them.append(self._attack(rate=STORM_PER_S, seconds=self._seconds // 4))
                self.figures["connections_held"] = held
        self._compare("connections", without, with_them)

    def _batches(self) -> None:
        """In turns without and with one batch of a thousand a second."""
        without, with_them = [], []
        for _ in range(2):
            without.append(self._attack(rate=2_000, seconds=self._seconds // 4))
            with self._batching():
                with_them.append(self._attack(rate=2_000, seconds=self._seconds // 4))
        self._compare("batches", without, with_them)

    def _compare(self, name: str, without: Sequence[list[Sent]], with_them: Sequence[list[Sent]]) -> None:
        alone = [each for sent in without for each in sent]
        beside = [each for sent in with_them for each in sent]
        self._keep(name, beside)
        self.figures[f"{name}_alone_p99_ms"] = p99_ms(alone)
        self.figures[f"{name}_p99_ratio"] = p99_ms(beside) / p99_ms(alone)

    def _keep(self, name: str, sent: Sequence[Sent]) -> None:
        taken = sum(each.status == 200 for each in sent)
        self.figures |= {
            f"{name}_sent": len(sent),
            f"{name}_taken_share": taken / len(sent),
            f"{name}_errors": sum(each.status not in (200, 503) for each in sent),
            f"{name}_p99_ms": p99_ms(sent),
            f"{name}_per_s": taken / max(each.due_s for each in sent),
        }

    # -- sending -----------------------------------------------------------------------------------------------------

    def _attack(
        self, *, seconds: int, rate: float = 0, clients: int = 0, meanwhile: Callable[[], None] | None = None
    ) -> list[Sent]:
        count = int((rate or 9_000) * seconds)
        starts_at = time.time() + count / _SIGNED_PER_S + _READY_S
        targets = self._targets(count, rate or 1e9, starts_at)
        await_moment(starts_at)
        attack = Attack(targets, self._folder / "results.bin", rate=rate, seconds=seconds, clients=clients)
        if meanwhile is not None:
            meanwhile()
        sent = attack.sent()
        targets.unlink()
        self._taken += sum(each.status == 200 for each in sent)
        self._unanswered += sum(each.status == 0 for each in sent)
        return sent

    def _targets(self, count: int, rate: float, starts_at: float) -> Path:
        """Two processes sign; their requests alternate in one file."""
        parts = [Part(n, 2, count, rate, starts_at, self._people) for n in range(2)]
        self._people += count
        files = [self._folder / f"targets-{part.first}.json" for part in parts]
        work = [
            multiprocessing.get_context("fork").Process(target=self._sign, args=each)
            for each in zip(parts, files, strict=True)
        ]
        for process in work:
            process.start()
        for process in work:
            process.join()
        whole = self._folder / "targets.json"
        with whole.open("wb") as file, files[0].open("rb") as even, files[1].open("rb") as odd:
            for line in even:
                file.write(line)
                file.write(odd.readline())
        for each in files:
            each.unlink()
        return whole

    def _sign(self, part: Part, path: Path) -> None:
        write_targets(path, self._url, self._scans(part))

    def _scans(self, part: Part) -> Iterator[Target]:
        mint = Mint(self._stack.home.keys / "signing.json", STATUS_LIST_URI)
        chance = random.Random(f"{part.first}/{part.offset}")  # noqa: S311 (a load, no secret)
        people = self._stack.population
        for number in range(part.first, part.count, part.step):
            at_s = part.starts_at + number / part.rate
            person = (part.offset + number) % len(people.idx)
            checkpoint_id, authorization = chance.choices(self._gates, cum_weights=self._bounds)[0]
            at = datetime.fromtimestamp(at_s, UTC)
            token = mint.shown(people.lists[person], people.idx[person], at_s)
            yield Target(by_pass(uuid7(at), checkpoint_id.encode(), token, at), authorization)

    @contextmanager
    def _batching(self) -> Iterator[None]:
        """A batch of a thousand scans every second, of one gate, from a process of its own."""
        context = multiprocessing.get_context("fork")
        stop, taken = context.Event(), context.Value("q", 0)
        process = context.Process(target=self._send_batches, args=(stop, taken), daemon=True)
        process.start()
        try:
            yield
        finally:
            stop.set()
            process.join()
            self._taken += taken.value

    def _send_batches(self, stop: Any, taken: Any) -> None:
        mint = Mint(self._stack.home.keys / "signing.json", STATUS_LIST_URI)
        people = self._stack.population
        checkpoint_id, authorization = self._gates[0]
        person = len(people.idx) - 1
        with httpx.Client(headers={"Authorization": authorization}, timeout=30) as client:
            while not stop.is_set():
                began = time.monotonic()
                now = time.time()
                bodies = []
                for _ in range(1000):
                    person -= 1
                    at = datetime.fromtimestamp(now, UTC)
                    token = mint.shown(people.lists[person], people.idx[person], now)
                    bodies.append(by_pass(uuid7(at), checkpoint_id.encode(), token, at))
                answer = client.post(f"{self._url}/batch", content=batch_of(bodies))
                taken.value += len(answer.json()["results"]) if answer.status_code == 200 else 0
                stop.wait(max(0.0, 1 - (time.monotonic() - began)))


def _compete(stack: ExitStack, count: int, *, after_s: float, for_s: float) -> None:
    """So many programs that only compute, from `after_s` on."""
    code = f"import time; time.sleep({after_s}); end = time.monotonic() + {for_s}\nwhile time.monotonic() < end: pass"
    for _ in range(count):
        process = subprocess.Popen([sys.executable, "-c", code], preexec_fn=die_with_parent)  # noqa: PLW1509
        stack.callback(process.wait)


@contextmanager
def _idle_connections(url: str) -> Iterator[int]:
    """Connections from twenty addresses of the loopback, each answered once, then held open."""
    port = int(url.split(":")[2].split("/")[0])
    held: list[socket.socket] = []
    limit = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)[0] - 200
    try:
        for number in range(min(_CONNECTIONS, limit)):
            connection = socket.socket()
            connection.bind((f"127.0.0.{2 + number % _ADDRESSES}", 0))
            connection.connect(("127.0.0.1", port))
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: guanka\r\n\r\n")
            connection.recv(4096)
            held.append(connection)
        yield len(held)
    finally:
        for connection in held:
            connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
