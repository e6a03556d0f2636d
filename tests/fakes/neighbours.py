"""The other services as the console hears them: their topics, and events as their relays would write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.event_log import EventLog, Record, Topic
from chassis.ids import uuid7
from wire.checkpoints.v1 import events_pb2 as checkpoints
from wire.codes.v1 import events_pb2 as codes
from wire.ledger.v1 import events_pb2 as ledger

TOPICS = [
    Topic("codes.events.v1", 3, 28 * 86400),
    Topic("checkpoints.scans.v1", 3, 28 * 86400),
    Topic("checkpoints.events.v1", 3, 28 * 86400),
    Topic("ledger.events.v1", 3, 28 * 86400),
]
GREEN, YELLOW, RED, LAPSED = codes.COLOUR_GREEN, codes.COLOUR_YELLOW, codes.COLOUR_RED, codes.COLOUR_LAPSED


class Neighbours:
    """Publishes to a log whose topics it declares."""

    def __init__(self, event_log: EventLog) -> None:
        event_log.declare(TOPICS)
        self._publisher = event_log.publisher()

    def tell(self, records: Iterable[Record]) -> None:
        assert all(self._publisher.publish(list(records)))

    def close(self) -> None:
        self._publisher.close()


def record(
    topic: str, event: Message, *, subject: str, revision: int, key: str, event_id: UUID | None = None
) -> Record:
    """The event in the CloudEvents Kafka binding; its source is the service that the topic names."""
    name = event.DESCRIPTOR.full_name
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id or uuid7()),
        "ce_type": name,
        "ce_source": f"/{topic.split('.')[0]}",
        "ce_subject": subject,
        "ce_revision": str(revision),
        "ce_time": datetime.now(UTC).isoformat(),
        "content-type": "application/protobuf",
    }
    return Record(
        topic, key, event.SerializeToString(), tuple((name, value.encode()) for name, value in headers.items())
    )


def stamp(at: datetime) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(at)
    return moment


def scan(
    decision: str = "pass",
    *,
    recorded_at: datetime | None = None,
    scanned_at: datetime | None = None,
    revision: int = 1,
    is_self_reported: bool = False,
    event_id: UUID | None = None,
) -> Record:
    scan_id, recorded = str(uuid7()), recorded_at or datetime.now(UTC)
    event = checkpoints.ScanRecorded(
        scan_id=scan_id,
        checkpoint_id=str(uuid4()),
        kind="metro",
        scanned_at=stamp(scanned_at or recorded),
        recorded_at=stamp(recorded),
        decision=decision,
        colour="green",
        is_self_reported=is_self_reported,
    )
    return record(
        "checkpoints.scans.v1", event, subject=f"scan/{scan_id}", revision=revision, key=scan_id, event_id=event_id
    )


def scan_completed(of: Record) -> Record:
    """The same scan with the person who arrived later."""
    recorded = checkpoints.ScanRecorded.FromString(of.value)
    recorded.person_ref = str(uuid4())
    event = checkpoints.ScanCompleted(scan=recorded)
    return record("checkpoints.scans.v1", event, subject=f"scan/{recorded.scan_id}", revision=2, key=recorded.scan_id)


def colour_changed(person_ref: UUID, colour: int, *, previous: int = LAPSED, revision: int = 1) -> Record:
    event = codes.ColourChanged(person_ref=str(person_ref), colour=colour, previous=previous)  # type: ignore[arg-type]
    return record("codes.events.v1", event, subject=f"person/{person_ref}", revision=revision, key=str(person_ref))


def checkpoint_registered(checkpoint_id: UUID, name: str, *, area: str = "440103001", revision: int = 1) -> Record:
    event = checkpoints.CheckpointRegistered(checkpoint_id=str(checkpoint_id), kind="metro", name=name, area=area)
    return record(
        "checkpoints.events.v1", event, subject=f"checkpoint/{checkpoint_id}", revision=revision, key=str(checkpoint_id)
    )


def entry_opened(entry_id: UUID, of: str, stage: str) -> Record:
    event = ledger.EntryOpened(entry_id=str(entry_id), ledger=of, stage=stage, person_ref=str(uuid4()))
    return record("ledger.events.v1", event, subject=f"entry/{entry_id}", revision=1, key=str(entry_id))


def ledger_defined(
    of: str,
    title: tuple[str, str],
    stages: Mapping[str, tuple[str, str]],
    *,
    version: int = 1,
    revision: int = 1,
    strength: int = 1,
    valid_from: datetime | None = None,
) -> Record:
    """Titles as (zh, en); in force from 2020 on."""
    name = f"{of}@{version}"
    event = ledger.LedgerDefined(
        definition=name,
        ledger=of,
        version=version,
        valid_from=stamp(valid_from or datetime(2020, 1, 1, tzinfo=UTC)),
        strength=strength,
        title=ledger.Title(zh=title[0], en=title[1]),
        stages=[
            ledger.DefinedStage(stage=stage, title=ledger.Title(zh=zh, en=en)) for stage, (zh, en) in stages.items()
        ],
    )
    return record("ledger.events.v1", event, subject=f"definition/{name}", revision=revision, key=name)


def entry_moved(entry_id: UUID, of: str, stage: str, *, revision: int) -> Record:
    event = ledger.EntryMoved(entry_id=str(entry_id), ledger=of, stage=stage)
    return record("ledger.events.v1", event, subject=f"entry/{entry_id}", revision=revision, key=str(entry_id))


def entry_closed(entry_id: UUID, of: str, stage: str, *, revision: int) -> Record:
    event = ledger.EntryClosed(entry_id=str(entry_id), ledger=of, stage=stage)
    return record("ledger.events.v1", event, subject=f"entry/{entry_id}", revision=revision, key=str(entry_id))


def alarm_raised(
    kind: str, *, owner: str, area: str, checkpoint_id: UUID, raised_at: datetime | None = None, person_ref: str = ""
) -> Record:
    alarm_id = uuid7()
    event = ledger.AlarmRaised(
        alarm_id=str(alarm_id),
        kind=kind,
        owner=owner,
        area=area,
        checkpoint_id=str(checkpoint_id),
        person_ref=person_ref,
        raised_at=stamp(raised_at or datetime.now(UTC)),
    )
    return record("ledger.events.v1", event, subject=f"alarm/{alarm_id}", revision=1, key=str(alarm_id))
