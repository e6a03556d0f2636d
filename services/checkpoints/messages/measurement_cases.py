"""What follows a hot reading: MeasurementCaseOpened, MeasurementCaseMoved, MeasurementCaseOverdue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chassis.outbox import Event
from chassis.timestamps import stamp_of
from services.checkpoints.domain.events import MeasurementCaseMoved
from services.checkpoints.domain.measurement import MeasurementCase
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words


def case_opened(case: MeasurementCase, checkpoint: Checkpoint) -> Event:
    message = words.MeasurementCaseOpened(
        case_id=str(case.case_id),
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        area=checkpoint.area,
        device_id=case.device_id,
        temperature_c=case.temperature_c,
        opened_at=stamp_of(case.opened_at),
        due_at=stamp_of(case.due_at),
    )
    return _case_event("MeasurementCaseOpened", case, checkpoint, message.SerializeToString(), case.opened_at)


def case_moved(moved: MeasurementCaseMoved) -> Event:
    case = moved.case
    message = words.MeasurementCaseMoved(
        case_id=str(case.case_id),
        checkpoint_id=str(case.checkpoint_id),
        area=moved.checkpoint.area,
        step=moved.step.value,
        stage=case.stage.value,
        previous_stage=moved.previous_stage.value,
        moved_at=stamp_of(moved.at),
        remeasured_c=case.remeasured_c,
        person_ref=str(case.person_ref or ""),
        clinic_id=case.clinic_id or "",
    )
    return _case_event("MeasurementCaseMoved", case, moved.checkpoint, message.SerializeToString(), moved.at)


def case_overdue(case: MeasurementCase, checkpoint: Checkpoint, at: datetime) -> Event:
    message = words.MeasurementCaseOverdue(
        case_id=str(case.case_id),
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        area=checkpoint.area,
        stage=case.stage.value,
        due_at=stamp_of(case.due_at),
    )
    event = _case_event("MeasurementCaseOverdue", case, checkpoint, message.SerializeToString(), at)
    return replace(event, subject=f"overdue/{case.case_id}", revision=1)


def _case_event(name: str, case: MeasurementCase, checkpoint: Checkpoint, payload: bytes, at: datetime) -> Event:
    return Event(
        type=OURS + name,
        aggregatetype="measurement",
        aggregateid=str(case.case_id),
        subject=f"measurement/{case.case_id}",
        revision=case.version,
        time=at,
        payload=payload,
        district=checkpoint.district,
    )
