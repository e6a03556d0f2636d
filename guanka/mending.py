"""What an operator does when the log was cut behind a consumer, or messages were put aside."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psycopg
from rich.console import Console
from rich.table import Table

from chassis.event_log.opening import open_event_log
from guanka.home import ROOT, Home

SERVICES = ("codes", "checkpoints", "ledger", "console")


def service_environment(home: Home, service: str) -> dict[str, str]:
    """The settings that a service was last started with."""
    environment: dict[str, str] = json.loads((home.path / f"{service}.env.json").read_text())
    return environment


def service_command(home: Home, service: str, *arguments: str) -> int:
    """Run one of a service's own commands with its settings; the command's exit status."""
    try:
        environment = service_environment(home, service)
    except FileNotFoundError:
        print(f"Guanka was never started in {home.path}; start it with `make run`.", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", f"services.{service}.main", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, cwd=ROOT, check=False).returncode


def republish(home: Home, service: str) -> int:
    """First the consumers that were cut off are set to the log's start, then the service tells its state again."""
    for consumer in SERVICES:
        moved = _resume(home, consumer)
        if moved:
            print(f"{consumer}: {moved} places start again at the log's first record")
    return service_command(home, service, "republish")


def _resume(home: Home, service: str) -> int:
    """Move stored offsets that the log does not hold to its start: it was cut, or made anew; how many."""
    environment = service_environment(home, service)
    event_log = open_event_log(environment["EVENT_LOG_URL"], client_id="guanka-republish")
    moved = 0
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT DISTINCT topic FROM consumer_offset").fetchall()
        for (topic,) in rows:
            for partition, (start, end) in event_log.bounds(topic).items():
                moved += connection.execute(
                    "UPDATE consumer_offset SET next_offset = %s "
                    "WHERE topic = %s AND partition = %s AND next_offset NOT BETWEEN %s AND %s",
                    (start, topic, partition, start, end),
                ).rowcount
    event_log.close()
    return moved


def list_dead_letters(home: Home, service: str | None) -> int:
    """Exit status 1 when there are any that were not replayed."""
    table = Table("service", "id", "topic", "offset", "type", "error", "put aside at", box=None)
    waiting = 0
    for name, url in home.running()["databases"].items():
        if name not in SERVICES or service not in (None, name):
            continue
        with psycopg.connect(url) as connection:
            for row in connection.execute(
                "SELECT dead_letter_id, topic, partition, record_offset, headers, error, put_aside_at FROM dead_letter "
                "WHERE replayed_at IS NULL ORDER BY dead_letter_id LIMIT 1000"
            ):
                waiting += 1
                identifier, topic, partition, offset, headers, error, at = row
                table.add_row(
                    name, str(identifier), f"{topic}[{partition}]", str(offset), _type(headers), error, f"{at:%F %T}"
                )
    console = Console(soft_wrap=True)
    if waiting:
        console.print(table)
        console.print("Mend the cause, then: guanka dead-letters replay SERVICE ID…")
        return 1
    console.print("No message is put aside.")
    return 0


def _type(headers: list[list[str]]) -> str:
    import base64

    return next((base64.b64decode(value).decode() for name, value in headers if name == "ce_type"), "?")


def replay_dead_letters(home: Home, service: str, identifiers: list[int]) -> int:
    return max(service_command(home, service, "replay", str(identifier)) for identifier in identifiers)
