"""How a process is, from its answer to `/readyz`: ok, waiting (alive, but behind or missing something) or away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.console.domain.words import PROCESS_STATES, Label

OUTBOX_OLDEST_S_MAX = 5.0
LAG_MAX = 2000
"""Above these a worker is called waiting: four batches of records, or an outbox row older than five seconds."""


@dataclass(frozen=True, slots=True)
class Process:
    """`outbox_rows` is None without a relay; `lag`, in records by topic, is empty without a consumer."""

    name: str
    state: str
    label: Label
    outbox_rows: int | None = None
    outbox_oldest_s: float | None = None
    lag: dict[str, int] = field(default_factory=dict)
    trouble: str | None = None


def away(name: str) -> Process:
    return Process(name, "away", PROCESS_STATES["away"])


def process_of(name: str, answer: object) -> Process:
    """Read the document of `/readyz`; checks are told apart by what their detail carries, not by their names."""
    checks = answer.get("checks") if isinstance(answer, Mapping) else None
    if not isinstance(answer, Mapping) or not isinstance(checks, Mapping):
        return away(name)
    details = [check.get("detail") for check in checks.values() if isinstance(check, Mapping)]
    relay = _with(details, "oldest_s")
    consumer = _with(details, "lag")
    outbox_rows = int(relay["rows"]) if relay else None
    outbox_oldest_s = float(relay["oldest_s"]) if relay else None
    lag = {str(topic): int(records) for topic, records in consumer["lag"].items()} if consumer else {}
    trouble = (str(consumer["trouble"]) if consumer and consumer.get("trouble") else None) or _unready(checks)
    is_behind = (outbox_oldest_s or 0) > OUTBOX_OLDEST_S_MAX or sum(lag.values()) > LAG_MAX
    state = "ok" if answer.get("ready") is True and not trouble and not is_behind else "waiting"
    return Process(name, state, PROCESS_STATES[state], outbox_rows, outbox_oldest_s, lag, trouble)


def _with(details: list[Any], key: str) -> Mapping[str, Any] | None:
    return next((detail for detail in details if isinstance(detail, Mapping) and key in detail), None)


def _unready(checks: Mapping[str, Any]) -> str | None:
    names = [name for name, check in checks.items() if isinstance(check, Mapping) and check.get("ready") is False]
    return f"not ready: {', '.join(names)}" if names else None
