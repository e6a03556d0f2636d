"""`make load`: the metro's rate against the running product, and the count afterwards: acknowledged = stored = told.

Each of USERS gates scans once a second, so USERS is the rate that is offered; 343 a second are the worst ten minutes of
a day with seven million riders. Passes are printed ones, minted before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from guanka.demo.city import Citizen, read_gates
from guanka.demo.riders import Riders
from guanka.demo.witness import Witness
from guanka.home import REFERENCE, ROOT, Home, NotRunning, home_of
from guanka.keys import TokenIssuer
from guanka.report import write_report

_PEOPLE = 300
_COMMUNITY = "440103001101"
_LOG_PATIENCE_S = 60.0


def main() -> int:
    console = Console(highlight=False)
    home, users, seconds = (
        home_of(os.environ),
        int(os.environ.get("USERS", "343")),
        int(os.environ.get("SECONDS", "60")),
    )
    try:
        home.running()
    except NotRunning as error:
        console.print(f"[red]{error}[/]")
        return 1
    started_at = datetime.now(UTC)
    witness = Witness(home)
    witness.watch()
    with tempfile.TemporaryDirectory(prefix="guanka-load-") as folder:
        file = Path(folder) / "load.json"
        console.print(f"enrolling {_PEOPLE} people with printed passes")
        file.write_text(json.dumps(_load(home, asyncio.run(_passes(home)))))
        console.print(f"offering {users} scans/s for {seconds} s")
        stats = _run_locust(file, users, seconds)
        acknowledged = {line for path in file.parent.glob("journal-*.txt") for line in path.read_text().split()}
    figures, checks = _count(home, witness, acknowledged, stats, seconds)
    witness.close()
    path = write_report("load", started_at, figures, checks)
    for name, value in figures.items():
        console.print(f"  {name} {value:,.1f}")
    for name, holds in checks.items():
        console.print(f"  {'[green]✓[/]' if holds else '[red]✗[/]'} {name.replace('_', ' ')}")
    console.print(f"[dim]written to {path.parent.name}/{path.name}[/]")
    return 0 if all(checks.values()) else 1


async def _passes(home: Home) -> list[str]:
    async with Riders(home) as riders:

        async def one(n: int) -> str:
            citizen = Citizen(f"LOAD{time.time_ns()}{n}", f"示例市民{n}", _COMMUNITY, 36.5, (), declares=True)
            person_ref = await riders.enrol(citizen)
            path, token = f"/v1/people/{person_ref}/passes", riders.token("operator")
            answer, _ = await riders.call("codes", "POST", path, token, {"kind": "printed"})
            return str(answer["token"])

        return list(await asyncio.gather(*(one(n) for n in range(_PEOPLE))))


def _load(home: Home, passes: list[str]) -> dict[str, Any]:
    issuer = TokenIssuer(home)
    gates = [
        {
            "checkpoint_id": gate.checkpoint_id,
            "weight": gate.weight,
            "token": issuer.token("gate", checkpoints=[gate.checkpoint_id]),
        }
        for gate in read_gates(REFERENCE)[0]
    ]
    return {"address": home.address("checkpoints"), "passes": passes, "gates": gates}


def _run_locust(file: Path, users: int, seconds: int) -> dict[str, Any]:
    """Locust's figures of the one request that is made."""
    options = ["--headless", "--json", "--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"]
    command = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *options, "--loglevel", "ERROR"]
    environment = {**os.environ, "GUANKA_LOAD_FILE": str(file), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    rows: list[dict[str, Any]] = json.loads(done.stdout[done.stdout.index("[") :])
    return rows[0]


def _count(
    home: Home, witness: Witness, acknowledged: set[str], stats: dict[str, Any], seconds: int
) -> tuple[dict[str, float], dict[str, bool]]:
    with psycopg.connect(home.running()["databases"]["checkpoints"]) as connection:
        row = connection.execute(
            "SELECT count(*) FROM scan WHERE scan_id = ANY(%s::uuid[])", (sorted(acknowledged),)
        ).fetchone()
    stored = int(row[0]) if row else 0
    deadline = time.monotonic() + _LOG_PATIENCE_S
    while not acknowledged <= witness.scan_events.keys() and time.monotonic() < deadline:
        time.sleep(0.2)
    told = len(acknowledged & witness.scan_events.keys())
    figures: dict[str, float] = {
        "acknowledged": len(acknowledged),
        "stored": stored,
        "told": told,
        "scans_per_s": len(acknowledged) / seconds,
        "failures": stats["num_failures"],
        "p50_ms": _percentile(stats, 0.5),
        "p99_ms": _percentile(stats, 0.99),
    }
    checks = {"no_failure": stats["num_failures"] == 0, "no_scan_lost": len(acknowledged) == stored == told > 0}
    return figures, checks


def _percentile(stats: dict[str, Any], share: float) -> float:
    """From Locust's histogram of rounded milliseconds."""
    times = sorted((float(ms), count) for ms, count in stats["response_times"].items())
    wanted, seen = share * sum(count for _, count in times), 0
    for ms, count in times:
        seen += count
        if seen >= wanted:
            return ms
    return 0.0


if __name__ == "__main__":
    raise SystemExit(main())
