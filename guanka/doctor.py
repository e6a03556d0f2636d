"""`guanka doctor`: one look at everything that can be wrong, with what to do about it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from guanka.board_proof import prove_board
from guanka.home import Home
from guanka.installation import Installation, bearer_in, trust_in
from guanka.keys import TokenIssuer

_PACKAGES = ("fastapi", "sqlalchemy", "psycopg", "kafka-python", "pyjwt", "opentelemetry-sdk")
_LAG_MAX = 10_000
_OUTBOX_AGE_S_MAX = 10.0


def run(installation: Installation, home: Home) -> int:
    """Exit status 1 when something is wrong. In a pod it looks at what a pod reaches, and says so."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in _PACKAGES))
    troubles = _show_processes(console, installation) + _look_at_databases(console, installation)
    troubles += _look_at_board(console, installation, home)
    for trouble in troubles:
        console.print(f"[red]✗[/] {trouble}")
    if installation.pod:
        console.print(_seen_from_a_pod(installation))
    if not troubles:
        console.print("[green]✓[/] everything is as it should be")
    return 1 if troubles else 0


def _seen_from_a_pod(installation: Installation) -> str:
    seen = "all processes" if len(installation.addresses) > 1 else "this process"
    return (
        f"[dim]seen from a pod of {installation.pod}: {seen} and its database; "
        "a pod of console-api sees all processes, a pod of each service its database[/]"
    )


def _show_processes(console: Console, installation: Installation) -> list[str]:
    table = Table("process", "pid", "memory", "state", "detail", box=None)
    troubles: list[str] = []
    for name in sorted(installation.addresses.keys() | installation.pids.keys()):
        pid, address = installation.pids.get(name), installation.addresses.get(name)
        memory = None if pid is None else _memory(pid)
        state, detail = ("", "") if address is None else _state(address)
        if pid is not None and memory is None:
            troubles.append(f"{name} (process {pid}) is gone; `guanka up` starts it again, see .guanka/logs/{name}.log")
        elif state and state != "ready":
            troubles.append(f"{name} is {state}: {detail}; see {_log_of(name, installation)}")
        troubles += _lags(name, detail)
        shown = "" if pid is None else "gone" if memory is None else f"{memory / 2**20:.0f} MB"
        table.add_row(name, "" if pid is None else str(pid), shown, state, str(detail))
    console.print(table)
    return troubles


def _log_of(name: str, installation: Installation) -> str:
    return f".guanka/logs/{name}.log" if installation.pod is None else "the log of its pod (kubectl logs)"


def _memory(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def _state(address: str) -> tuple[str, Any]:
    try:
        answer = httpx.get(f"{address}/readyz", timeout=3, verify=trust_in(address))
        told = answer.json().get("checks", {})
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return "silent", type(error).__name__
    checks = {name: check["detail"] for name, check in told.items() if check["detail"]}
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


def _look_at_databases(console: Console, installation: Installation) -> list[str]:
    troubles = []
    for name, url in installation.databases.items():
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
            log = "; see .guanka/logs/postgres.log" if installation.pod is None else ""
            troubles.append(f"database {name} does not answer ({type(error).__name__}){log}")
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


def _look_at_board(console: Console, installation: Installation, home: Home) -> list[str]:
    """From a pod only where it is checkpoints' api: there is the board, and a token that codes takes."""
    if installation.pod is None:
        codes, checkpoints = (installation.addresses[f"{name}-api"] for name in ("codes", "checkpoints"))
        token = TokenIssuer(home).token("service")
    elif installation.pod == "checkpoints":
        settings = installation.settings_of("checkpoints")
        codes, checkpoints = settings["CODES_URL"], next(iter(installation.addresses.values()))
        token = bearer_in(Path(settings["SERVICE_TOKEN_FILE"]))
    else:
        return []
    try:
        proof = prove_board(codes=codes, checkpoints=checkpoints, token=token)
    except httpx.HTTPError as error:
        return [f"the board cannot be compared with codes' lists ({type(error).__name__})"]
    except KeyError:
        console.print("board: this process holds none; a pod of checkpoints-api compares it with codes' lists")
        return []
    said = {True: "as codes has it", False: "not what codes has", None: "changing while it was looked at"}[
        proof.is_same
    ]
    console.print(f"board: {proof.lists} lists, hash {proof.hash}, {said}")
    if proof.is_same is False:
        return ["the board differs from codes' lists at the same revisions: restart checkpoints-api, and report it"]
    return []
