"""The scan path of two checkouts in alternating pairs, on one core each: what a change costs a scan.

`python -m loadtests.bench_pairs --before PATH` starts a product from that checkout and one from this. Each turn offers
prepared scans over 64 connections to the api and its database; the workers, and the product that is not measured, are
stopped meanwhile. (`--with-workers` leaves them running. They share a core with the database, so the rate then tells
how far behind they are, too.) Reported is the median of the ratios of all pairs, after over before, and the lower end
of its 95 % interval (order statistics). `--passes printed` measures scans that use nothing up.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from chassis.ids import uuid7
from guanka.home import ROOT
from guanka.report import write_report
from loadtests.closed_loop import offer, request
from loadtests.passes import Mint
from loadtests.population import Population
from loadtests.scenarios.scans import by_pass

MEASURED, REST = 0, 1
PEOPLE, CONNECTIONS = 300_000, 64
_PREPARED_PER_S = 9_000
_PATH = ("postgres", "checkpoints-api")

_SIDE = """
import json, sys
from pathlib import Path
from guanka.home import REFERENCE
from guanka.keys import TokenIssuer
from guanka.stack import STATUS_LIST_URI
from loadtests.shapes import read_points
from loadtests.stack import load_stack

with load_stack(int(sys.argv[1]), events="local", settings={}, seed=1) as stack:
    people = stack.home.path / "people.bin"
    stack.population.write(people)
    gate = read_points(REFERENCE)[0].checkpoint_id
    print(json.dumps({
        "pids": {name: each["pid"] for name, each in stack.product.running["processes"].items()},
        "port": int(stack.product.address("checkpoints").rsplit(":", 1)[1]),
        "keys": str(stack.home.keys / "signing.json"), "uri": STATUS_LIST_URI, "people": str(people), "gate": gate,
        "token": TokenIssuer(stack.home).token("gate", checkpoints=[gate]),
    }), flush=True)
    sys.stdin.read()
"""


class Side:
    """A product of one checkout, stopped but for its turns."""

    def __init__(self, checkout: Path, *, passes: str, has_workers: bool) -> None:
        self._passes, self._has_workers = passes, has_workers
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SIDE, str(PEOPLE)],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the product of {checkout} did not start")
        self._place: dict[str, Any] = json.loads(line)
        self._mint = Mint(Path(self._place["keys"]), self._place["uri"])
        self._people = Population.read(Path(self._place["people"]))
        self._next = itertools.count()
        self._head = {"Authorization": f"Bearer {self._place['token']}"}

    def turn(self, seconds: float) -> float:
        """Scans a second."""
        self._signal(signal.SIGCONT)
        if not self._has_workers:
            self._signal(signal.SIGSTOP, of=[name for name in self._place["pids"] if name not in _PATH])
        prepared = list(self._scans(int((seconds + 1) * _PREPARED_PER_S)))
        requests = iter(prepared)
        psutil.Process(self._place["pids"]["checkpoints-api"]).cpu_affinity([MEASURED])
        offer(self._place["port"], requests, connections=CONNECTIONS, seconds=1.0)
        offered = offer(self._place["port"], requests, connections=CONNECTIONS, seconds=seconds)
        if set(offered.statuses) != {200}:
            raise RuntimeError(f"answers that are none: {offered.statuses} {offered.bodies_wrong[:1]}")
        return offered.rate

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def end(self) -> None:
        self._signal(signal.SIGCONT)
        self._process.communicate()

    def _scans(self, count: int) -> Iterator[bytes]:
        now = time.time()
        at = datetime.fromtimestamp(now, UTC)
        gate = self._place["gate"].encode()
        for _ in range(count):
            person = next(self._next) % PEOPLE
            token = self._token(self._people.lists[person], self._people.idx[person], now)
            yield request("POST", "/v1/scans", by_pass(uuid7(at), gate, token, at), self._head)

    def _token(self, list_number: int, idx: int, now: float) -> str:
        sign = self._mint.shown if self._passes == "shown" else self._mint.printed
        return sign(list_number, idx, now)

    def _signal(self, number: signal.Signals, *, of: Iterable[str] | None = None) -> None:
        for name in self._place["pids"] if of is None else of:
            process = psutil.Process(self._place["pids"][name])
            for each in (process, *process.children(recursive=True)):
                each.send_signal(number)
                each.cpu_affinity([REST])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="another checkout, with the same lock files")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--passes", choices=("shown", "printed"), default="shown")
    parser.add_argument("--with-workers", action="store_true")
    parser.add_argument("--at-least", type=float, default=0.92)
    arguments = parser.parse_args()
    console, started_at = Console(highlight=False), datetime.now(UTC)
    os.sched_setaffinity(0, {REST})
    checkouts = (arguments.before.resolve(), ROOT)
    sides = [Side(each, passes=arguments.passes, has_workers=arguments.with_workers) for each in checkouts]
    for side in sides:
        side.pause()
    ratios = []
    try:
        for number in range(arguments.pairs):
            rates = {}
            for side in sides if number % 2 == 0 else reversed(sides):
                rates[side] = side.turn(arguments.seconds)
                side.pause()
            before, after = (rates[side] for side in sides)
            ratios.append(after / before)
            console.print(f"  {before:,.0f} → {after:,.0f} scans/s: {after / before:.3f}")
    finally:
        for side in sides:
            side.end()
    figures = {"pairs": len(ratios), "ratio_median": statistics.median(ratios), "ratio_low": lower_bound(ratios)}
    checks = {"ratio_low": figures["ratio_low"] >= arguments.at_least}
    write_report("bench-pairs", started_at, figures, checks)
    console.print(f"median {figures['ratio_median']:.3f}, lower 95 % bound {figures['ratio_low']:.3f}")
    return 0 if all(checks.values()) else 1


def lower_bound(values: Sequence[float]) -> float:
    """The lower end of the 95 % confidence interval of the median, by order statistics (the sign test).

    The k-th smallest value, where fewer than k of n fair coins fall on one side with a chance of at most 2.5 %.
    """
    ordered, n = sorted(values), len(values)
    chance, coefficient, below = 0.0, 1, 0
    for k in range(n):
        chance += coefficient / 2**n
        if chance > 0.025:
            break
        below = k + 1
        coefficient = coefficient * (n - k) // (k + 1)
    return ordered[max(0, below - 1)] if below else ordered[0]


if __name__ == "__main__":
    raise SystemExit(main())
