"""The outbox: what happened is written in the transaction that made it happen, and the relay tells it later.

A rule for writers: lock the aggregate before `append`, for the lock gives `seq` the order of the aggregate's revisions.
Whoever writes the table otherwise leaves `seq` to its default, which the relay's low-water mark counts on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import orjson
import sqlalchemy as sa
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Connection

from chassis.ids import uuid7

# One statement for all events: a trace tells of 500 contacts at once. The default of `seq` is taken after the sorting.
_APPEND = sa.text("""
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
SELECT id, aggregatetype, aggregateid, type, payload, CAST(headers AS jsonb)
FROM unnest(CAST(:ids AS uuid[]), CAST(:aggregatetypes AS text[]), CAST(:aggregateids AS text[]),
            CAST(:types AS text[]), CAST(:payloads AS bytea[]), CAST(:headers AS text[])) WITH ORDINALITY
     AS given (id, aggregatetype, aggregateid, type, payload, headers, place)
ORDER BY place
""")

_PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class Event:
    """A domain event ready for the log.

    `aggregatetype` chooses the topic, `aggregateid` is the key; `subject` names the aggregate among all of the source
    (such as `entry/0190…`), and `revision` is one higher than that subject's last; `time` is when it happened. What it
    tells may be kept no longer than until `expires_at` (CloudEvents' extension `expirytime`), where it lies aside too.
    """

    type: str
    aggregatetype: str
    aggregateid: str
    subject: str
    revision: int
    time: datetime
    payload: bytes
    district: str = ""
    expires_at: datetime | None = None
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        if self.revision < 1 or self.time.tzinfo is None:
            raise ValueError("an event has a revision from 1 on, and a time with an offset")


def append(tx: Connection, events: Sequence[Event]) -> None:
    """Write the events in the caller's transaction, in the order given."""
    if not events:
        return
    trace = trace_headers()
    tx.execute(
        _APPEND,
        {
            "ids": [event.id for event in events],
            "aggregatetypes": [event.aggregatetype for event in events],
            "aggregateids": [event.aggregateid for event in events],
            "types": [event.type for event in events],
            "payloads": [event.payload for event in events],
            "headers": [_headers(event, trace) for event in events],
        },
    )


def trace_headers() -> dict[str, str]:
    """The W3C `traceparent` of the current span (empty when nothing is traced); no baggage, callers fill that."""
    if not get_current_span().get_span_context().is_valid:
        return {}
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return {name: value for name, value in carrier.items() if name == "traceparent"}


def _headers(event: Event, trace: dict[str, str]) -> str:
    columns = header_columns(event.subject, event.revision, event.time, event.district)
    if event.expires_at is not None:
        columns["ce_expirytime"] = event.expires_at
    return orjson.dumps(columns | trace).decode()


def header_columns(subject: str, revision: int, time: datetime, district: str) -> dict[str, str | datetime]:
    """The CloudEvents attributes that the outbox row keeps beside Debezium's columns, as orjson writes them."""
    return {
        "ce_subject": subject,
        "ce_revision": str(revision),
        "ce_time": time,
        "ce_district": district,
    }
