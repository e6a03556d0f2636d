"""`guanka doctor`: one look at everything that can be wrong, with what to do about it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import httpx
import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from guanka.board_proof import prove_board
from guanka.home import Home, NotRunning

_PACKAGES = ("fastapi", "sqlalchemy", "psycopg", "kafka-python", "pyjwt", "opentelemetry-sdk")
_LAG_MAX = 10_000
_OUTBOX_AGE_S_MAX = 10.0


def run(home: Home) -> int:
    """Exit status 1 when something is wrong."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in _PACKAGES))
    try:
        running = home.running()
    except NotRunning as error:
        console.print(f"[red]{error}[/]")
        return 1
    troubles = _show_processes(console, running) + _look_at_databases(console, running["databases"])
    troubles += _look_at_board(console, home, running["processes"])
    for trouble in troubles:
        console.print(f"[red]✗[/] {trouble}")
    if not troubles:
        console.print("[green]✓[/] everything is as it should be")
    return 1 if troubles else 0


def _show_processes(console: Console, running: dict[str, Any]) -> list[str]:
    table = Table("process", "pid", "memory", "state", "detail", box=None)
    troubles: list[str] = []
    for name, entry in sorted(running["processes"].items()):
        memory = _memory(entry["pid"])
        state, detail = _state(entry.get("port")) if "-api" in name or "-worker" in name else ("", "")
        if memory is None:
            troubles.append(
                f"{name} (process {entry['pid']}) is gone; `guanka up` starts it again, see .guanka/logs/{name}.log"
            )
        elif state and state != "ready":
            troubles.append(f"{name} is {state}: {detail}; see .guanka/logs/{name}.log")
        troubles += _lags(name, detail)
        table.add_row(
            name, str(entry["pid"]), "gone" if memory is None else f"{memory / 2**20:.0f} MB", state, str(detail)
        )
    console.print(table)
    return troubles


def _memory(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def _state(port: int | None) -> tuple[str, Any]:
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=3)
    except httpx.HTTPError as error:
        return "silent", type(error).__name__
    checks = {name: check["detail"] for name, check in answer.json().get("checks", {}).items() if check["detail"]}
    return ("ready" if answer.status_code == 200 else "not ready"), checks


def _lags(name: str, detail: Any) -> list[str]:
    if not isinstance(detail, dict):
        return []
    troubles = []
    for topic, lag in (detail.get("consumer") or {}).get("lag", {}).items():
        if lag > _LAG_MAX:
            troubles.append(f"{name} is {lag} records behind on {topic}: give it time, or look at its log")
    relay = detail.get("relay") or {}
    if relay.get("oldest_s", 0) > _OUTBOX_AGE_S_MAX:
        troubles.append(f"{name} has not relayed its outbox for {relay['oldest_s']:.0f} s: is the event log away?")
    return troubles


def _look_at_databases(console: Console, databases: dict[str, str]) -> list[str]:
    troubles = []
    for name, url in databases.items():
        try:
            with psycopg.connect(url, connect_timeout=3) as connection:
                size = connection.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchone()
                console.print(f"database {name}: {size[0] if size else '?'}")
                if name != "eventlog":
                    waiting = connection.execute(
                        "SELECT count(*) FROM dead_letter WHERE replayed_at IS NULL"
                    ).fetchone()
                    if waiting and waiting[0]:
                        troubles.append(f"{name} put {waiting[0]} messages aside: `guanka dead-letters list`")
                if name == "checkpoints":
                    troubles += held_traces(connection)
        except psycopg.Error as error:
            troubles.append(f"database {name} does not answer ({type(error).__name__}); see .guanka/logs/postgres.log")
    return troubles


def held_traces(connection: psycopg.Connection) -> list[str]:
    """Contacts of whom nobody is told until a second person has looked at the trace."""
    held = connection.execute("SELECT count(*), min(requested_at) FROM trace WHERE status = 'held'").fetchone()
    if not held or not held[0]:
        return []
    traces = "1 trace is" if held[0] == 1 else f"{held[0]} traces are"
    return [
        f"{traces} held (since {held[1]:%Y-%m-%d %H:%M %z}) and nobody is told of the contacts: an approver who did "
        "not ask looks at GET /v1/traces?state=held of checkpoints and posts /v1/traces/{trace_id}/approval"
    ]


def _look_at_board(console: Console, home: Home, processes: dict[str, Any]) -> list[str]:
    addresses = {name: f"http://127.0.0.1:{processes[f'{name}-api']['port']}" for name in ("codes", "checkpoints")}
    try:
        proof = prove_board(home, **addresses)
    except httpx.HTTPError as error:
        return [f"the board cannot be compared with codes' lists ({type(error).__name__})"]
    said = {True: "as codes has it", False: "not what codes has", None: "changing while it was looked at"}[
        proof.is_same
    ]
    console.print(f"board: {proof.lists} lists, hash {proof.hash}, {said}")
    if proof.is_same is False:
        return ["the board differs from codes' lists at the same revisions: restart checkpoints-api, and report it"]
    return []
