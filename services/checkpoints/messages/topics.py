"""Where the events of checkpoints go, where it takes others' from, and what every event of ours is marked with."""

from __future__ import annotations

from dataclasses import replace

from chassis.event_log import Topic
from services.checkpoints.scan_log import AGGREGATE_TYPE

SOURCE = "/checkpoints"
SCANS_TOPIC, EVENTS_TOPIC = "checkpoints.scans.v1", "checkpoints.events.v1"
STANDINGS_TOPIC, LEDGER_TOPIC = "codes.standings.v1", "ledger.events.v1"
RETENTION_S = 28 * 86_400

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
DECLARED = (Topic(SCANS_TOPIC, 12, RETENTION_S), Topic(EVENTS_TOPIC, 12, RETENTION_S))
"""With the default of `HISTORY_DAYS`; see `declared`."""

OURS = "guanka.checkpoints.v1."
"""What the type of each of our events begins with."""


def declared(history_days: int) -> tuple[Topic, ...]:
    """Our topics, which keep what they hold as long as the table of scans does."""
    return tuple(replace(topic, retention_s=history_days * 86_400) for topic in DECLARED)
