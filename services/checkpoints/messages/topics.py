"""Where the events of checkpoints go, where it takes others' from, and what every event of ours is marked with."""

from __future__ import annotations

from datetime import timedelta

from chassis.event_log import Topic
from services.checkpoints.domain.keeping import Keeping
from services.checkpoints.scan_statements import AGGREGATE_TYPE

SOURCE = "/checkpoints"
SCANS_TOPIC, EVENTS_TOPIC = "checkpoints.scans.v1", "checkpoints.events.v1"
TRACES_TOPIC = "checkpoints.traces.v1"
STANDINGS_TOPIC, LEDGER_TOPIC = "codes.standings.v1", "ledger.events.v1"

TOPICS = {
    AGGREGATE_TYPE: SCANS_TOPIC,
    "finding": EVENTS_TOPIC,
    "trace": TRACES_TOPIC,
    "checkpoint": EVENTS_TOPIC,
    "registration": EVENTS_TOPIC,
    "measurement": EVENTS_TOPIC,
    "device": EVENTS_TOPIC,
    "clock": EVENTS_TOPIC,
    "venue": EVENTS_TOPIC,
    "destruction": EVENTS_TOPIC,
}
OURS = "guanka.checkpoints.v1."
"""What the type of each of our events begins with."""


def declared(keeping: Keeping) -> tuple[Topic, ...]:
    """Our topics, from which a scan is gone by the time that the table of scans forgets it."""
    return (
        Topic(SCANS_TOPIC, 12, _seconds(keeping.in_log)),
        Topic(EVENTS_TOPIC, 12, _seconds(keeping.in_log)),
        Topic(TRACES_TOPIC, 12, _seconds(keeping.traces_in_log)),
    )


def _seconds(time: timedelta) -> int:
    return int(time.total_seconds())


DECLARED = declared(Keeping(timedelta(days=28)))
"""With the default of `HISTORY_DAYS`."""
