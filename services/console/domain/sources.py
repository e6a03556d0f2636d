"""How old each figure is: its source's events are all counted up to a moment, and nobody knows what came after.

A figure has a way to go: the service's worker relays its outbox to the log, and the console's worker applies the log.
The log shows only the second half. A worker that stands still tells nothing at all, so the first half is its own answer
to `/readyz`: up to date, but for what has waited in its outbox.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.console.domain.processes import LAG_MAX, Process

SOURCES = ("checkpoints", "codes", "ledger")
"""The services whose events the figures are made of."""

_WORKER = re.compile(r"^([a-z]+)-worker")


@dataclass(frozen=True, slots=True)
class Source:
    """Both None where the service's worker has not answered since the console began to ask."""

    known_until: datetime | None
    age_s: float | None


def source_of(process_name: str) -> str | None:
    """The service whose worker it is, by its name in WORKERS_JSON (`ledger-worker`, `ledger-worker-2`)."""
    found = _WORKER.match(process_name)
    return found[1] if found and found[1] in SOURCES else None


def told_until(process: Process, asked_at: datetime) -> datetime | None:
    """Until when a worker has told everything, by its answer; None for one that does not answer or is behind."""
    if process.state == "away" or process.trouble is not None or sum(process.lag.values()) > LAG_MAX:
        return None
    return asked_at - timedelta(seconds=process.outbox_oldest_s or 0.0)


def sources_at(
    now: datetime, *, applied_until: datetime, told: Mapping[str, datetime], watched: Collection[str]
) -> dict[str, Source]:
    """`told` by service, `watched` the services whose workers are asked; of any other only the log's half is known."""
    found = {}
    for name in SOURCES:
        if name in watched and name not in told:
            found[name] = Source(None, None)
            continue
        known_until = min(applied_until, told.get(name, applied_until))
        found[name] = Source(known_until, round((now - known_until).total_seconds(), 1))
    return found
