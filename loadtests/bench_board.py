"""`python -m loadtests.bench_board`: 20 million people: memory, start after a crash, one hash for every process.

The api of checkpoints runs alone, as a process of its own, on the settings that a product has left behind; codes is a
few lines here that answer with the same lists. It is killed and started again; a second one runs beside it; and both
follow changes from the log to the same hash, which is also that of a fold made here.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from chassis.event_log import Record
from chassis.event_log.opening import open_event_log
from guanka.home import ROOT
from guanka.postgres import EmbeddedPostgres
from guanka.report import percentile, write_report
from loadtests.budgets import BOARD_MEMORY_MB_MAX, BOARD_READY_S_MAX
from loadtests.history import LIST_SIZE, lists_of, put_lists
from services.checkpoints.board import Board, StandingsChange, hash_of, list_digest
from services.checkpoints.domain.scans import Entry
from tests.running import Product, free_port_base
from wire.codes.v1 import events_pb2 as wire

CRASHES, CHANGES, CHANGED_AT_ONCE = 5, 2000, 50
_TOPIC = "codes.standings.v1"
_WAIT_S = 120.0


class City:
    """Everyone's colour, as codes would hold it."""

    def __init__(self, people: int) -> None:
        self.revisions: dict[int, int] = {}
        self.packed: dict[int, bytearray] = {}
        for number, revision, packed in lists_of(people):
            self.revisions[number], self.packed[number] = revision, bytearray(packed)

    def items(self) -> list[tuple[int, int, bytes]]:
        return [(number, self.revisions[number], bytes(packed)) for number, packed in self.packed.items()]

    def hash(self) -> str:
        return hash_of(list_digest(n, self.revisions[n], bytes(self.packed[n])) for n in sorted(self.packed))

    def change(self, chance: random.Random) -> wire.StandingsChanged:
        number = chance.choice(list(self.packed))
        self.revisions[number] += 1
        idx = sorted(chance.sample(range(LIST_SIZE), CHANGED_AT_ONCE))
        colours = bytes(chance.randrange(4) for _ in idx)
        packed = self.packed[number]
        for each, colour in zip(idx, colours, strict=True):
            shift = 2 * (each % 4)
            packed[each // 4] = packed[each // 4] & ~(3 << shift) | colour << shift
        refs = os.urandom(16 * len(idx))
        return wire.StandingsChanged(
            list=number, revision=self.revisions[number], idx=idx, colours=colours, person_refs=refs
        )

    def answer(self, path: str) -> Any:
        if path == "/v1/standings":
            return {"lists": [{"list": n, "revision": r} for n, r in self.revisions.items()]}
        if found := re.fullmatch(r"/v1/standings/(\d+)", path):
            number = int(found[1])
            colours = base64.b64encode(zlib.compress(bytes(self.packed[number]), 1)).decode()
            return {"list": number, "revision": self.revisions[number], "size": LIST_SIZE, "colours": colours}
        return None


class Api:
    """One api process of checkpoints, alone."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port_base()
        self._environment = environment | {"HTTP_PORT": str(self.port)}
        self._log = log

    def start(self) -> float:
        """Seconds until it is ready."""
        began = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.checkpoints.main", "api"],
                env=os.environ | self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.wait(lambda: self.readiness()["ready"])
        return time.monotonic() - began

    def readiness(self) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).json()
        except httpx.HTTPError:
            return {"ready": False}
        return answer

    def hash(self) -> str:
        return str(self.readiness()["checks"]["board"]["detail"]["hash"])

    def memory_mb(self) -> tuple[float, float]:
        """(resident, proportional): the second counts pages shared with other processes by their share."""
        used = psutil.Process(self._process.pid).memory_full_info()
        return used.rss / 2**20, used.pss / 2**20

    def wait(self, condition: Any) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the api did not come so far:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000_000)
    arguments = parser.parse_args()
    console = Console(highlight=False)
    started_at = datetime.now(UTC)
    figures: dict[str, float] = {"people": arguments.people} | _look_ups(arguments.people)
    checks: dict[str, bool] = {}
    city = City(arguments.people)
    with _environment() as (environment, log), _codes(city) as address:
        put_lists(environment["DATABASE_URL"], city.items())
        _measure(city, environment | {"CODES_URL": address}, log, figures, checks)
    path = write_report("bench-board", started_at, figures, checks)
    table = Table("figure", "value", box=None)
    for name, value in figures.items():
        table.add_row(name, f"{value:.2f}")
    console.print(table)
    for name, holds in checks.items():
        console.print(f"{'[green]✓[/]' if holds else '[red]✗[/]'} {name}")
    console.print(f"[dim]written to {path.parent.name}/{path.name}[/]")
    return 0 if all(checks.values()) else 1


def _measure(
    city: City, environment: dict[str, str], log: Path, figures: dict[str, float], checks: dict[str, bool]
) -> None:
    one, other = Api(environment, log), Api(environment, log)
    try:
        starts, hashes = [], []
        for _ in range(CRASHES):
            starts.append(one.start())
            hashes.append(one.hash())
            figures["memory_at_start_mb"] = one.memory_mb()[0]
            one.kill()
        one.start()
        other.start()
        checks["same_hash_after_every_crash"] = {*hashes, one.hash(), other.hash()} == {city.hash()}
        began = time.monotonic()
        _tell_changes(city, environment["EVENT_LOG_URL"])
        expected = city.hash()
        one.wait(lambda: one.hash() == other.hash() == expected)
        figures["changes_to_both_boards_s"] = time.monotonic() - began
        checks["two_processes_follow_to_the_hash_of_the_fold"] = True
        figures["memory_mb"], figures["memory_proportional_mb"] = one.memory_mb()
        figures["ready_after_crash_s_median"] = percentile(starts, 0.5)
        figures["ready_after_crash_s_worst"] = max(starts)
        checks["memory"] = figures["memory_mb"] <= BOARD_MEMORY_MB_MAX
        checks["ready"] = max(starts) <= BOARD_READY_S_MAX
    finally:
        one.kill()
        other.kill()


def _tell_changes(city: City, event_log_url: str) -> None:
    chance = random.Random(7)  # noqa: S311 (a choice of people, not a secret)
    event_log = open_event_log(event_log_url, client_id="bench-board")
    publisher = event_log.publisher()
    records = []
    for _ in range(CHANGES):
        change = city.change(chance)
        headers = {"ce_id": str(uuid4()), "ce_type": "guanka.codes.v1.StandingsChanged"}
        told = tuple((name, value.encode()) for name, value in headers.items())
        records.append(Record(_TOPIC, str(change.list), change.SerializeToString(), told))
    assert all(publisher.publish(records))
    publisher.close()
    event_log.close()


def _look_ups(people: int) -> dict[str, float]:
    """What a look and a change cost in memory, in microseconds."""
    board = Board(30)
    for number, revision, packed in lists_of(people):
        board.put(number, revision, packed)
    entries = [Entry(1 + n % (people // LIST_SIZE or 1), n * 7919 % LIST_SIZE) for n in range(20_000)]
    began = time.perf_counter()
    for entry in entries:
        board.standing_of(entry, 0.0)
    looked = time.perf_counter()
    for revision in range(2, 2002):
        board.apply(StandingsChange(1, revision, (revision,), b"\1", b"\0" * 16))
    changed = time.perf_counter()
    board.fingerprint()
    hashed = time.perf_counter()
    board.apply(StandingsChange(1, 2002, (5,), b"\2", b"\0" * 16))
    again = time.perf_counter()
    board.fingerprint()
    return {
        "look_up_us": (looked - began) / len(entries) * 1e6,
        "change_us": (changed - looked) / 2000 * 1e6,
        "hash_of_all_ms": (hashed - changed) * 1e3,
        "hash_after_a_change_ms": (time.perf_counter() - again) * 1e3,
    }


@contextmanager
def _environment() -> Iterator[tuple[dict[str, str], Path]]:
    """The settings of a product that was started once, with its PostgreSQL running and nothing else."""
    with tempfile.TemporaryDirectory(prefix="guanka-board-") as folder:
        product = Product(Path(folder) / "home")
        product.start()
        product.stop()
        postgres = EmbeddedPostgres(product.home)
        postgres.start()
        try:
            environment: dict[str, str] = json.loads((product.home / "checkpoints.env.json").read_text())
            yield environment, product.home / "api.log"
        finally:
            postgres.stop()


@contextmanager
def _codes(city: City) -> Iterator[str]:
    """codes, as far as a board and a key ring ask it: the address."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = city.answer(self.path.partition("?")[0])
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
