"""Where the events of checkpoints go, where it takes others' from, and what every event of ours is marked with."""

from __future__ import annotations

from dataclasses import replace

from chassis.event_log import Topic
from services.checkpoints.scan_log import AGGREGATE_TYPE

SOURCE = "/checkpoints"
SCANS_TOPIC, EVENTS_TOPIC = "checkpoints.scans.v1", "checkpoints.events.v1"
STANDINGS_TOPIC, LEDGER_TOPIC = "codes.standings.v1", "ledger.events.v1"
_DAY_S = 86_400
LOG_SHORTER_DAYS = 8
"""A scan may be uploaded seven days late and Kafka closes a segment after a day: so many days before the table's end
the log's must come, or it could be read back there for longer (ADR D16)."""

TOPICS = {
    AGGREGATE_TYPE: SCANS_TOPIC,
    "finding": EVENTS_TOPIC,
    "trace": EVENTS_TOPIC,
    "checkpoint": EVENTS_TOPIC,
    "registration": EVENTS_TOPIC,
    "measurement": EVENTS_TOPIC,
    "device": EVENTS_TOPIC,
    "venue": EVENTS_TOPIC,
    "destruction": EVENTS_TOPIC,
}
DECLARED = tuple(Topic(name, 12, (28 - LOG_SHORTER_DAYS) * _DAY_S) for name in (SCANS_TOPIC, EVENTS_TOPIC))
"""With the default of `HISTORY_DAYS`; see `declared`."""

OURS = "guanka.checkpoints.v1."
"""What the type of each of our events begins with."""


def declared(history_days: int) -> tuple[Topic, ...]:
    """Our topics, from which a scan is gone by the time that the table of scans forgets it."""
    return tuple(replace(topic, retention_s=(history_days - LOG_SHORTER_DAYS) * _DAY_S) for topic in DECLARED)
