"""ScanRecorded: written for every scan on its way into the log; ScanCompleted with a person who arrived later."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.consumer import Message
from chassis.outbox import Event
from chassis.timestamps import moment_of, stamp_of
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.scans import Scan, district_of
from services.checkpoints.scan_statements import AGGREGATE_TYPE
from wire.checkpoints.v1 import events_pb2 as words

SCAN_COMPLETED = "guanka.checkpoints.v1.ScanCompleted"

# -- on the scan path ------------------------------------------------------------------------------------------------


def scan_recorded_payload(scan: Scan, scan_id: str) -> bytes:
    """ScanRecorded without its person, whom the append statement adds; `scan_id` is the scan's, written already."""
    attempt, place, ruling = scan.attempt, scan.checkpoint, scan.ruling
    message = words.ScanRecorded(scan_id=scan_id, board_revision=ruling.board_revision)
    _set(message.scanned_at, attempt.scanned_at)
    _set(message.recorded_at, ruling.recorded_at)
    if attempt.direction is not None:
        message.direction = attempt.direction
    if attempt.vehicle_ref is not None:
        message.vehicle_ref = str(attempt.vehicle_ref)
    if attempt.offline is not None:
        message.offline_decision = attempt.offline.decision
    if attempt.is_self_reported:
        message.is_self_reported = True
    if attempt.temperature_c is not None:
        message.temperature_c = attempt.temperature_c
    if scan.entry is not None:
        message.list, message.idx = scan.entry
    if scan.use is not None:
        message.pass_iat = scan.use.issued_at_s
    if attempt.gate_said_at is not None:
        _set(message.gate_said_at, attempt.gate_said_at)
    ruled = _ruled(
        place.checkpoint_id,
        place.kind,
        place.area,
        ruling.decision,
        ruling.colour,
        ruling.refusal or "",
        ruling.policy_version,
    )
    return ruled + message.SerializeToString()


@lru_cache(maxsize=20_000)
def _ruled(
    checkpoint_id: UUID, kind: str, area: str, decision: str, colour: str, refusal: str, policy_version: str
) -> bytes:
    """What many scans of a checkpoint have in common: parts of a protobuf message may be put one after the other."""
    return words.ScanRecorded(
        checkpoint_id=str(checkpoint_id),
        kind=kind,
        area=area,
        decision=decision,
        colour=colour,
        refusal=refusal,
        policy_version=policy_version,
    ).SerializeToString()


def _set(message: Timestamp, at: datetime) -> None:
    """Exact to the microsecond."""
    message.seconds = int(at.timestamp() // 1)
    message.nanos = at.microsecond * 1000


# -- beside it -------------------------------------------------------------------------------------------------------


def scan_completed(scan: ScanFact) -> Event:
    """ScanCompleted, under the key that the scan was told under: without its person that was its own id.

    So both lie in one partition, and no consumer sees the completion before the scan.
    """
    message = words.ScanRecorded(
        scan_id=str(scan.scan_id),
        checkpoint_id=str(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        scanned_at=stamp_of(scan.scanned_at),
        recorded_at=stamp_of(scan.recorded_at),
        decision=scan.decision,
        colour=scan.colour,
        refusal=scan.refusal,
        policy_version=scan.policy_version,
        board_revision=scan.board_revision,
        direction=scan.direction,
        temperature_c=scan.temperature_c,
        list=scan.list,
        idx=scan.idx,
        person_ref=str(scan.person_ref or ""),
        vehicle_ref=str(scan.vehicle_ref or ""),
        offline_decision=scan.offline_decision,
        is_self_reported=scan.is_self_reported,
        pass_iat=scan.pass_iat,
        repeat_of=str(scan.repeat_of or ""),
        gate_said_at=None if scan.gate_said_at is None else stamp_of(scan.gate_said_at),
    )
    return Event(
        type=SCAN_COMPLETED,
        aggregatetype=AGGREGATE_TYPE,
        aggregateid=str(scan.scan_id),
        subject=f"scan/{scan.scan_id}",
        revision=2,
        time=scan.scanned_at,
        payload=words.ScanCompleted(scan=message).SerializeToString(),
        district=district_of(scan.area),
    )


def scan_fact(message: Message) -> ScanFact:
    """Of either event. Until the log of before has ended, a completion may be a ScanRecorded of revision 2."""
    if message.type == SCAN_COMPLETED:
        scan = words.ScanCompleted.FromString(message.payload).scan
    else:
        scan = words.ScanRecorded.FromString(message.payload)
    return ScanFact(
        scan_id=UUID(scan.scan_id),
        checkpoint_id=UUID(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        scanned_at=moment_of(scan.scanned_at),
        recorded_at=moment_of(scan.recorded_at),
        decision=scan.decision,
        colour=scan.colour,
        refusal=scan.refusal,
        policy_version=scan.policy_version,
        board_revision=scan.board_revision,
        direction=scan.direction,
        temperature_c=scan.temperature_c if scan.HasField("temperature_c") else None,
        list=scan.list,
        idx=scan.idx,
        person_ref=UUID(scan.person_ref) if scan.person_ref else None,
        vehicle_ref=UUID(scan.vehicle_ref) if scan.vehicle_ref else None,
        offline_decision=scan.offline_decision,
        is_self_reported=scan.is_self_reported,
        revision=message.revision,
        pass_iat=scan.pass_iat if scan.HasField("pass_iat") else None,
        repeat_of=UUID(scan.repeat_of) if scan.repeat_of else None,
        gate_said_at=moment_of(scan.gate_said_at) if scan.HasField("gate_said_at") else None,
    )
