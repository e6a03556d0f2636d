"""The words of checkpoints on the wire: domain ↔ protobuf; nothing else reads `wire`.

`outgoing` turns domain events into words and `incoming` words into calls, by way of a module for each noun that is told
of; `topics` says where they travel. What others ask for is here, as it is in the `messages.py` of a smaller service.
"""

from __future__ import annotations

from services.checkpoints.messages.incoming import subscriptions
from services.checkpoints.messages.outgoing import tell
from services.checkpoints.messages.scans import scan_recorded_payload
from services.checkpoints.messages.standings import standing_of_record, standings_change
from services.checkpoints.messages.topics import (
    DECLARED,
    EVENTS_TOPIC,
    LEDGER_TOPIC,
    SCANS_TOPIC,
    SOURCE,
    STANDINGS_TOPIC,
    TOPICS,
    TRACES_TOPIC,
    declared,
)
from services.checkpoints.messages.traces import TRACE_REQUESTED

__all__ = [
    "DECLARED",
    "EVENTS_TOPIC",
    "LEDGER_TOPIC",
    "SCANS_TOPIC",
    "SOURCE",
    "STANDINGS_TOPIC",
    "TOPICS",
    "TRACES_TOPIC",
    "TRACE_REQUESTED",
    "declared",
    "scan_recorded_payload",
    "standing_of_record",
    "standings_change",
    "subscriptions",
    "tell",
]
