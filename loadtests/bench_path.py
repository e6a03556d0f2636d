"""The scan path and the mint against their floors: requests a second on one core each, in one run.

The server that is measured has one core, and everything else (PostgreSQL, the client, codes) the other; a floor
(floors.py) and the real thing take turns, with the same server, flags, client and passes, and the median turn counts.
Processes that are not measured are stopped meanwhile. Needs two cores.

A scan has two floors and two ratios: `scan_floor` is raw ASGI, and what is promised is over it; `scan_direct_floor`
does the same work where the scan does its own, below ASGI, and is reported beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import psutil
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from rich.console import Console
from rich.table import Table

from chassis.ids import uuid7
from chassis.outbox import header_columns
from guanka.demo.city import Citizen, Gate, read_gates
from guanka.demo.riders import Riders
from guanka.home import REFERENCE, ROOT, Home
from guanka.keys import TokenIssuer
from guanka.ports import free_ports
from guanka.report import write_report
from loadtests.budgets import BATCH_TO_VERIFY_MIN, MINT_TO_FLOOR_MIN, SCAN_TO_FLOOR_MIN
from loadtests.closed_loop import Offered, offer, request
from services.checkpoints.scan_log import PLANNER
from services.checkpoints.scan_statements import RECORD, Kind
from tests.running import Product, running_product

MEASURED, REST = 0, 1
"""Cores."""
TURNS, SECONDS, CONNECTIONS = 5, 3.2, 64
PROGRAMS = ("scan", "batch", "mint")
PEOPLE = 256
BATCH = 100
_COMMUNITY = "440103001101"
_WARM_S = 1.0
_KIND = Kind(has_claims=True, has_ends=False, has_clocks_off=False, looks_first=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one program: answers a second, and CPU microseconds an answer of the server and of PostgreSQL."""

    rate: float
    service_us: float
    database_us: float


@dataclass(frozen=True, slots=True)
class Passes:
    """Whose passes are shown: printed ones, which hold longer than a run; and the same people's bearers."""

    person_refs: list[str]
    tokens: list[str]
    bearers: list[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--only", nargs="*", choices=PROGRAMS, default=PROGRAMS)
    arguments = parser.parse_args()
    console, started_at = Console(highlight=False), datetime.now(UTC)
    figures, checks = measure(
        console,
        turns=arguments.turns,
        seconds=arguments.seconds,
        connections=arguments.connections,
        only=arguments.only,
    )
    path = write_report("bench-path", started_at, figures, checks)
    console.print(f"[dim]written to {path.parent.name}/{path.name}[/]")
    return 0 if all(checks.values()) else 1


def measure(
    console: Console, turns: int, seconds: float, connections: int, only: Sequence[str] = PROGRAMS
) -> tuple[dict[str, float], dict[str, bool]]:
    """All figures and whether each promise holds."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {REST})
    with running_product() as product:
        bench = _Bench(product, seconds, connections)
        results = bench.run(turns, only)
        figures = bench.insert_rates()
    os.sched_setaffinity(0, cores)
    for name, taken in results.items():
        figures[f"{name}_per_s"] = statistics.median(turn.rate for turn in taken)
        figures[f"{name}_service_us"] = statistics.median(turn.service_us for turn in taken)
        figures[f"{name}_database_us"] = statistics.median(turn.database_us for turn in taken)
    checks = _compare(figures)
    _tell(console, figures, checks)
    return figures, checks


def _compare(figures: dict[str, float]) -> dict[str, bool]:
    """Adds a ratio of each program that was measured; whether the promised ones hold."""
    checks: dict[str, bool] = {}
    for ratio, name, over, least in (
        ("scan_ratio", "scan", "scan_floor", SCAN_TO_FLOOR_MIN),
        ("scan_direct_ratio", "scan", "scan_direct_floor", None),
        ("batch_ratio", "batch", "es256_verify", BATCH_TO_VERIFY_MIN),
        ("mint_ratio", "mint", "mint_floor", MINT_TO_FLOOR_MIN),
    ):
        if f"{name}_per_s" in figures:
            figures[ratio] = figures[f"{name}_per_s"] / figures[f"{over}_per_s"]
            if least is not None:
                checks[f"{name}_to_{over}"] = figures[ratio] >= least
    return checks


class _Bench:
    def __init__(self, product: Product, seconds: float, connections: int) -> None:
        self._product, self._seconds, self._connections = product, seconds, connections
        self._home = Home(product.home)
        self._gate = read_gates(REFERENCE)[0][0]
        self._passes = asyncio.run(_passes(self._home))
        issuer = TokenIssuer(self._home)
        self._gate_token = issuer.token("gate", checkpoints=[self._gate.checkpoint_id])
        run = self._home.running()
        self._processes = {name: entry["pid"] for name, entry in run["processes"].items()}
        self._ports = {name: entry["port"] for name, entry in run["processes"].items() if "port" in entry}
        self._databases = run["databases"]
        self._numbers = itertools.count()

    def run(self, turns: int, only: Sequence[str]) -> dict[str, list[Turn]]:
        results: dict[str, list[Turn]] = {}
        programs: dict[str, Callable[[], Turn]] = raw_programs()
        with (
            self._quiet(),
            self._floor("scan") as scan_floor,
            self._floor("scan_direct") as direct_floor,
            self._floor("mint") as mint_floor,
        ):
            if "scan" in only:
                programs["scan_floor"] = lambda: self._turn(*scan_floor, self._scans())
                programs["scan_direct_floor"] = lambda: self._turn(*direct_floor, self._scans())
                programs["scan"] = lambda: self._turn(*self._api("checkpoints"), self._scans())
            if "batch" in only:
                programs["batch"] = lambda: self._turn(
                    *self._api("checkpoints"), self._batches(), each=BATCH, connections=8
                )
            if "mint" in only:
                programs["mint_floor"] = lambda: self._turn(*mint_floor, self._mints())
                programs["mint"] = lambda: self._turn(*self._api("codes"), self._mints())
            for _ in range(turns):
                for name, take in programs.items():
                    results.setdefault(name, []).append(take())
        return results

    def insert_rates(self) -> dict[str, float]:
        """Rows a second that PostgreSQL alone, on one core, takes in groups of 1, 10 and 100: the append statement."""
        with (
            self._quiet(),
            psycopg.connect(
                self._databases["checkpoints"], autocommit=True, prepare_threshold=0, options=PLANNER
            ) as connection,
        ):
            _pin(psutil.Process(connection.info.backend_pid), MEASURED)
            return {f"insert_groups_of_{size}_per_s": self._insert_rate(connection, size) for size in (1, 10, 100)}

    def _insert_rate(self, connection: psycopg.Connection[Any], size: int) -> float:
        started, rows = time.perf_counter(), 0
        while time.perf_counter() - started < self._seconds:
            connection.execute(RECORD[_KIND], (orjson.dumps([self._row() for _ in range(size)]).decode(),))
            rows += size
        return rows / (time.perf_counter() - started)

    def _row(self) -> dict[str, object]:
        """A scan as scan_log.py hands it over."""
        now, scan_id, number = datetime.now(UTC), str(uuid7()), next(self._numbers)
        return {
            "scan_id": scan_id,
            "checkpoint_id": self._gate.checkpoint_id,
            "scanned_at": now,
            "recorded_at": now,
            "decision": "pass",
            "colour": "green",
            "policy_version": "bench@1",
            "board_revision": 1,
            "direction": "in",
            "is_self_reported": False,
            "list": 1,
            "idx": number % 1000,
            "pass_iat": int(now.timestamp()) + number // 1000,
            "as_reused": "check",
            "digest": "\\x" + "00" * 32,
            "payload": "\\x" + "00" * 180,
            "headers": header_columns(f"scan/{scan_id}", 1, now, "440103"),
        }

    def _api(self, service: str) -> tuple[int, int]:
        name = f"{service}-api"
        return self._processes[name], self._ports[name]

    def _turn(
        self, pid: int, port: int, requests: Iterator[bytes], *, each: int = 1, connections: int | None = None
    ) -> Turn:
        connections = connections or self._connections
        _pin(psutil.Process(pid), MEASURED)
        try:
            offer(port, requests, connections=connections, seconds=_WARM_S)
            before = self._cpu_s(pid)
            offered = offer(port, requests, connections=connections, seconds=self._seconds)
            service_s, database_s = (after - was for after, was in zip(self._cpu_s(pid), before, strict=True))
        finally:
            _pin(psutil.Process(pid), REST)
        _require_good(offered)
        answers = offered.rate * offered.seconds * each
        return Turn(answers / offered.seconds, service_s / answers * 1e6, database_s / answers * 1e6)

    def _cpu_s(self, pid: int) -> tuple[float, float]:
        """CPU seconds so far: of the server, and of PostgreSQL with all its processes."""
        postgres = psutil.Process(self._processes["postgres"])
        family = [postgres, *postgres.children(recursive=True)]
        return _cpu_of(psutil.Process(pid)), sum(_cpu_of(process) for process in family)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Everything on the other core, and what is not measured stopped."""
        stopped = [name for name in self._processes if name.startswith(("ledger", "console", "checkpoints-worker"))]
        postgres = psutil.Process(self._processes["postgres"])
        for process in (
            postgres,
            *postgres.children(recursive=True),
            *(psutil.Process(p) for p in self._processes.values()),
            psutil.Process(self._product.pid),
        ):
            _pin(process, REST)
        for name in stopped:
            os.kill(self._processes[name], signal.SIGSTOP)
        try:
            yield
        finally:
            for name in stopped:
                os.kill(self._processes[name], signal.SIGCONT)

    @contextmanager
    def _floor(self, name: str) -> Iterator[tuple[int, int]]:
        """(pid, port) of a floor that is ready."""
        keys, folder = self._home.keys, self._product.home
        (port,) = free_ports(1)
        if name != "mint":
            jwks = folder / "floor.jwks.json"
            jwks.write_text(httpx.get(f"http://127.0.0.1:{self._ports['codes-api']}/.well-known/jwks.json").text)
            arguments = [str(port), str(jwks)]
        else:
            arguments = [
                str(port),
                str(keys / "issuer.pem"),
                self._databases["codes"],
                str(keys / "issuer.jwks.json"),
            ]
        process = subprocess.Popen([sys.executable, "-m", "loadtests.floors", name, *arguments], cwd=ROOT)
        try:
            _await_port(port)
            yield process.pid, port
        finally:
            process.terminate()
            process.wait(10)

    def _scans(self) -> Iterator[bytes]:
        headers = {"Authorization": f"Bearer {self._gate_token}"}
        for token in _shuffled(self._passes.tokens):
            yield request("POST", "/v1/scans", _scan(token, self._gate), headers)

    def _batches(self) -> Iterator[bytes]:
        headers = {"Authorization": f"Bearer {self._gate_token}"}
        tokens = _shuffled(self._passes.tokens)
        while True:
            scans = b",".join(_scan(token, self._gate) for token in itertools.islice(tokens, BATCH))
            yield request("POST", "/v1/scans/batch", b'{"scans":[' + scans + b"]}", headers)

    def _mints(self) -> Iterator[bytes]:
        prepared = [
            request(
                "POST", f"/v1/people/{person_ref}/passes", b'{"kind":"shown"}', {"Authorization": f"Bearer {bearer}"}
            )
            for person_ref, bearer in zip(self._passes.person_refs, self._passes.bearers, strict=True)
        ]
        return _shuffled(prepared)


def raw_programs() -> dict[str, Callable[[], Turn]]:
    """ES256 verifications and signatures, by `cryptography` and nothing else."""
    key, algorithm, message = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(SHA256()), os.urandom(200)
    signature, public = key.sign(message, algorithm), key.public_key()
    return {
        "es256_verify": lambda: _raw_turn(lambda: public.verify(signature, message, algorithm)),
        "es256_sign": lambda: _raw_turn(lambda: key.sign(message, algorithm)),
    }


def _raw_turn(work: Callable[[], Any], seconds: float = 1.0) -> Turn:
    """As often as one thread of this process can, on the measured core."""
    os.sched_setaffinity(0, {MEASURED})
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for _ in range(100):
            work()
        count += 100
    rate = count / (time.perf_counter() - started)
    os.sched_setaffinity(0, {REST})
    return Turn(rate, 1e6 / rate, 0.0)


async def _passes(home: Home) -> Passes:
    issuer, slots = TokenIssuer(home), asyncio.Semaphore(16)
    async with Riders(home) as riders:

        async def one(n: int) -> tuple[str, str]:
            async with slots:
                person_ref = await riders.enrol(
                    Citizen(f"PATH{n:06d}", f"示例市民{n}", _COMMUNITY, 36.5, (), declares=True)
                )
                answer, _ = await riders.call(
                    "codes", "POST", f"/v1/people/{person_ref}/passes", riders.token("operator"), {"kind": "printed"}
                )
                return person_ref, str(answer["token"])

        people = await asyncio.gather(*(one(n) for n in range(PEOPLE)))
    bearers = [issuer.token("citizen", person=person_ref, area="") for person_ref, _ in people]
    return Passes([ref for ref, _ in people], [token for _, token in people], bearers)


def _scan(token: str, gate: Gate) -> bytes:
    now = datetime.now(UTC)
    return orjson.dumps(
        {
            "scan_id": str(uuid7(now)),
            "checkpoint_id": gate.checkpoint_id,
            "credential": {"pass": token},
            "direction": "in",
            "scanned_at": now,
        }
    )


def _shuffled(values: list[Any]) -> Iterator[Any]:
    chance = random.Random(1)  # noqa: S311 (an order, not a secret)
    while True:
        yield from chance.sample(values, len(values))


def _pin(process: psutil.Process, core: int) -> None:
    try:
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {core})
    except (psutil.NoSuchProcess, ProcessLookupError):
        return


def _cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


def _require_good(offered: Offered) -> None:
    if set(offered.statuses) - {200, 201}:
        raise SystemExit(f"the bench got {dict(offered.statuses)}: {offered.bodies_wrong[:1]}")


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("a floor did not start")


def _tell(console: Console, figures: dict[str, float], checks: dict[str, bool]) -> None:
    table = Table("program", "a second", "µs service", "µs PostgreSQL", "ratio", "÷ direct", box=None)
    for name in ("scan_floor", "scan_direct_floor", "scan", "batch", "mint_floor", "mint"):
        if f"{name}_per_s" in figures:
            ratios = [figures.get(f"{name}_{ratio}") for ratio in ("ratio", "direct_ratio")]
            table.add_row(
                name.replace("_", " "),
                f"{figures[f'{name}_per_s']:,.0f}",
                f"{figures[f'{name}_service_us']:.0f}",
                f"{figures[f'{name}_database_us']:.0f}",
                *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
            )
    for name in ("es256_verify", "es256_sign", *(f"insert_groups_of_{size}" for size in (1, 10, 100))):
        table.add_row(name.replace("_", " "), f"{figures[f'{name}_per_s']:,.0f}", "", "", "", "")
    console.print(table)
    for name, holds in checks.items():
        console.print(f"{'[green]✓[/]' if holds else '[red]✗[/]'} {name}")


if __name__ == "__main__":
    raise SystemExit(main())
