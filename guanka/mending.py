"""What an operator does when the log was cut behind a consumer, or messages were put aside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import psycopg
from rich.console import Console
from rich.table import Table

from chassis.event_log.opening import open_event_log
from chassis.settings import EventLogSettings, read_settings
from guanka.home import ROOT
from guanka.installation import SERVICES, Installation


def service_command(installation: Installation, service: str, *arguments: str) -> int:
    """Run one of a service's own commands with its settings; the command's exit status. Raises `OutOfReach`."""
    environment = installation.settings_of(service)
    command = [sys.executable, "-m", f"services.{service}.main", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, cwd=ROOT, check=False).returncode


def republish(installation: Installation, service: str) -> int:
    """First the consumers that were cut off are set to the log's start, then the service tells its state again.

    From a pod no other service's consumer is reached: `guanka resume` sets it, in a pod of that service.
    """
    installation.settings_of(service)
    if installation.pod is None:
        for consumer in SERVICES:
            resume(installation, consumer)
    else:
        print("A consumer that was cut off starts again by `guanka resume SERVICE`, in a pod of that service.")
    return service_command(installation, service, "republish")


def resume(installation: Installation, service: str) -> int:
    """Set a consumer behind which the log was cut to the log's first record. Raises `OutOfReach`."""
    moved = move_into_log(installation.settings_of(service))
    if moved or installation.pod:
        print(f"{service}: {moved} places start again at the log's first record")
    return 0


def move_into_log(environment: Mapping[str, str]) -> int:
    """Move stored offsets that the log does not hold to its start: it was cut, or made anew; how many."""
    event_log = open_event_log(read_settings(EventLogSettings, environment), client_id="guanka-republish")
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


def restored(installation: Installation, service: str) -> int:
    """After a restore of the service's database from backup: bring every consumer in reach to its present state.

    A restored service tells revisions that its consumers have seen already, of something else. So they forget what they
    have seen of it, once they have applied all that it told before, and the service tells its state again. From a pod
    its own consumer is reached: run it in one pod of each other service first, and last in a pod of the service.
    Exit status 1, and nothing changed, while a consumer is behind.
    """
    behind = {name: records_behind(installation.settings_of(name), service) for name in installation.settings}
    if waiting := {name: records for name, records in behind.items() if records}:
        told = ", ".join(f"{name} by {records} records" for name, records in waiting.items())
        print(f"Nothing was changed: behind on what {service} told before are {told}; wait, and try again.")
        return 1
    for name in installation.settings:
        with psycopg.connect(installation.settings_of(name)["DATABASE_URL"]) as connection:
            forgotten = connection.execute("DELETE FROM consumed_revision WHERE source = %s", (f"/{service}",)).rowcount
        print(f"{name}: takes the state of {service} as it is told next ({forgotten} revisions forgotten)")
    if service not in installation.settings:
        return 0
    if service in _WITH_EPOCHS and (status := service_command(installation, service, "restored")):
        return status
    return service_command(installation, service, "republish")


_WITH_EPOCHS = ("codes", "checkpoints")
"""Services that sign for gates. After a restore a raised epoch makes gates believe what is older than they have."""


def records_behind(environment: Mapping[str, str], service: str) -> int:
    """Records of the service's topics that this consumer has not applied."""
    event_log = open_event_log(read_settings(EventLogSettings, environment), client_id="guanka-restored")
    behind = 0
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT topic, partition, next_offset FROM consumer_offset WHERE starts_with(topic, %s)", (f"{service}.",)
        ).fetchall()
        for topic, partition, following in rows:
            behind += max(0, event_log.bounds(topic).get(partition, (0, 0))[1] - following)
    event_log.close()
    return behind


def list_dead_letters(installation: Installation, service: str | None) -> int:
    """Exit status 1 when there are any that were not replayed. Raises `OutOfReach`."""
    table = Table("service", "id", "topic", "offset", "type", "error", "put aside at", box=None)
    waiting = 0
    for name in installation.settings if service is None else (service,):
        with psycopg.connect(installation.settings_of(name)["DATABASE_URL"]) as connection:
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
    console.print("No message is put aside." if installation.pod is None else f"{installation.pod} put none aside.")
    return 0


def _type(headers: list[list[str]]) -> str:
    import base64

    return next((base64.b64decode(value).decode() for name, value in headers if name == "ce_type"), "?")


def replay_dead_letters(installation: Installation, service: str, identifiers: list[int]) -> int:
    return max(service_command(installation, service, "replay", str(identifier)) for identifier in identifiers)
