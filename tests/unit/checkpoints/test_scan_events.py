"""A scan is told once, and completed as an event of its own kind under the same key."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from chassis.consumer import Message
from chassis.outbox import Event
from services.checkpoints import messages
from services.checkpoints.domain.events import FeverFlagged, OfflineDecisionDiffered, PersonStopped, ScanCompleted
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.scans import OfflineDecision
from services.checkpoints.messages.outgoing import event_of
from services.checkpoints.messages.scans import scan_fact
from wire.checkpoints.v1 import events_pb2 as wire

NOW = datetime(2022, 11, 28, 8, tzinfo=UTC)
SCAN = ScanFact(
    scan_id=UUID("0184bd2a-7f00-7000-8000-000000000001"),
    checkpoint_id=uuid4(),
    kind="metro",
    area="440103",
    scanned_at=NOW,
    recorded_at=NOW,
    decision="stop",
    colour="red",
    refusal="fever",
    policy_version="default@1",
    board_revision=7,
    direction="in",
    temperature_c=38.0,
    list=1,
    idx=2,
    person_ref=uuid4(),
    vehicle_ref=None,
    offline_decision="pass",
    is_self_reported=False,
    revision=2,
)


def message_of(event: Event, **changed: object) -> Message:
    given = {"source": "/checkpoints", "id": uuid4(), "type": event.type, "subject": event.subject}
    given |= {"revision": event.revision, "payload": event.payload, "time": event.time, "key": event.aggregateid}
    names = Message.__dataclass_fields__
    return Message(**{name: (given | changed).get(name) for name in names})  # type: ignore[arg-type]


def test_a_completion_is_no_further_scan_and_keeps_the_key() -> None:
    event = event_of(ScanCompleted(SCAN), NOW)
    assert event.type == "guanka.checkpoints.v1.ScanCompleted"
    assert (event.aggregateid, event.subject, event.revision) == (str(SCAN.scan_id), f"scan/{SCAN.scan_id}", 2)
    assert wire.ScanCompleted.FromString(event.payload).scan.person_ref == str(SCAN.person_ref)
    assert messages.TOPICS[event.aggregatetype] == messages.SCANS_TOPIC


def test_a_completion_is_read_as_it_was_told() -> None:
    event = event_of(ScanCompleted(SCAN), NOW)
    assert scan_fact(message_of(event)) == SCAN


def test_a_completion_of_an_older_log_is_read_too() -> None:
    event = event_of(ScanCompleted(SCAN), NOW)
    older = wire.ScanCompleted.FromString(event.payload).scan.SerializeToString()
    message = message_of(event, type="guanka.checkpoints.v1.ScanRecorded", payload=older, key=str(SCAN.person_ref))
    assert scan_fact(message) == SCAN


@pytest.mark.parametrize("event", [FeverFlagged, lambda scan: OfflineDecisionDiffered(scan, TAKEN)])
def test_what_is_told_again_with_its_person_keeps_the_key_of_the_first_time(event: object) -> None:
    unknown = replace(SCAN, person_ref=None, revision=1)
    first, second = (event_of(event(scan), NOW) for scan in (unknown, SCAN))  # type: ignore[operator]
    assert first.aggregateid == second.aggregateid == str(SCAN.scan_id)
    assert first.subject == second.subject
    assert (first.revision, second.revision) == (1, 2)
    known = event_of(event(replace(SCAN, revision=1)), NOW)  # type: ignore[operator]
    assert known.aggregateid == str(SCAN.person_ref)


def test_a_stop_is_told_once_under_the_person() -> None:
    assert event_of(PersonStopped(SCAN), NOW).aggregateid == str(SCAN.person_ref)


TAKEN = OfflineDecision("pass", None, "default@1", 1)
