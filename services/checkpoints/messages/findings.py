"""What is found in a scan and told at once: stops, fevers, passes used twice, offline differences, wrong clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chassis.outbox import Event
from chassis.timestamps import stamp_of
from services.checkpoints.domain.events import GateClockOff, PassReused
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.measurement import MeasurementCase
from services.checkpoints.domain.scans import Checkpoint, OfflineDecision, district_of
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words


def person_stopped(scan: ScanFact) -> Event:
    message = words.PersonStopped(
        **_where(scan),
        colour=scan.colour,
        refusal=scan.refusal,
    )
    return _finding("PersonStopped", f"stop/{scan.scan_id}", scan, message.SerializeToString())


def fever_flagged(scan: ScanFact) -> Event:
    message = words.FeverFlagged(
        **_where(scan),
        temperature_c=scan.temperature_c or 0.0,
    )
    return _finding("FeverFlagged", f"fever/{scan.scan_id}", scan, message.SerializeToString(), scan.revision)


def fever_measured(case: MeasurementCase, checkpoint: Checkpoint, at: datetime) -> Event:
    """FeverFlagged, as of a scan with a fever; the measurement case stands for the scan."""
    message = words.FeverFlagged(
        scan_id=str(case.case_id),
        person_ref=str(case.person_ref or ""),
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        area=checkpoint.area,
        scanned_at=stamp_of(at),
        temperature_c=case.remeasured_c or case.temperature_c,
    )
    return Event(
        type=OURS + "FeverFlagged",
        aggregatetype="finding",
        aggregateid=str(case.person_ref or case.case_id),
        subject=f"fever/{case.case_id}",
        revision=1,
        time=at,
        payload=message.SerializeToString(),
        district=checkpoint.district,
    )


def pass_reused(event: PassReused) -> Event:
    scan, other = event.scan, event.other
    message = words.PassReused(
        **_where(scan),
        decision=scan.decision,
        other_scan_id=str(other.scan_id),
        other_checkpoint_id=str(other.place.checkpoint_id),
        other_scanned_at=stamp_of(datetime.fromtimestamp(other.at_s, UTC)),
        apart_s=event.apart_s,
        distance_m=event.distance_m,
    )
    return _finding("PassReused", f"reuse/{scan.scan_id}/{other.scan_id}", scan, message.SerializeToString())


def offline_decision_differed(scan: ScanFact, taken: OfflineDecision) -> Event:
    message = words.OfflineDecisionDiffered(
        **_where(scan),
        taken_decision=taken.decision,
        taken_refusal=taken.refusal or "",
        taken_policy_version=taken.policy_version,
        taken_list_revision=taken.list_revision,
        decision=scan.decision,
        colour=scan.colour,
        refusal=scan.refusal,
        policy_version=scan.policy_version,
        board_revision=scan.board_revision,
    )
    subject = f"difference/{scan.scan_id}"
    return _finding("OfflineDecisionDiffered", subject, scan, message.SerializeToString(), scan.revision)


def gate_clock_off(event: GateClockOff) -> Event:
    scan = event.scan
    message = words.GateClockOff(
        checkpoint_id=str(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        since=stamp_of(scan.recorded_at),
        off_s=event.off_s,
    )
    return Event(
        type=OURS + "GateClockOff",
        aggregatetype="clock",
        aggregateid=str(scan.checkpoint_id),
        subject=f"clock/{scan.checkpoint_id}",
        revision=event.revision,
        time=scan.recorded_at,
        payload=message.SerializeToString(),
        district=district_of(scan.area),
    )


def _where(scan: ScanFact) -> dict[str, Any]:
    """The fields that every finding in a scan has: whose and where."""
    return {
        "scan_id": str(scan.scan_id),
        "person_ref": str(scan.person_ref or ""),
        "checkpoint_id": str(scan.checkpoint_id),
        "kind": scan.kind,
        "area": scan.area,
        "scanned_at": stamp_of(scan.scanned_at),
    }


def _finding(name: str, subject: str, scan: ScanFact, payload: bytes, revision: int = 1) -> Event:
    """What was told of a scan without its person is told again with him: then it has the scan's revision, and the key
    of the first time, so that both are read in their order. A stop is told with its person or not at all."""
    is_by_person = scan.person_ref is not None and (scan.revision == 1 or name == "PersonStopped")
    return Event(
        type=OURS + name,
        aggregatetype="finding",
        aggregateid=str(scan.person_ref if is_by_person else scan.scan_id),
        subject=subject,
        revision=revision,
        time=scan.scanned_at,
        payload=payload,
        district=district_of(scan.area),
    )
