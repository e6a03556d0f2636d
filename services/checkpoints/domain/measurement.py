"""A hot reading is followed up: measured again, and if it stays hot the person is identified and handed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.checkpoints.domain.errors import StepRefused
from services.checkpoints.domain.scans import FEVER_C

SAME_PERSON_WITHIN = timedelta(seconds=10)
"""A camera sees whoever stands before it in many frames: so far from the first they are of the same person."""


class CaseStage(StrEnum):
    TO_REMEASURE = "to_remeasure"
    TO_IDENTIFY = "to_identify"
    TO_HAND_OVER = "to_hand_over"
    CLEARED = "cleared"
    HANDED_OVER = "handed_over"
    LEFT = "left"


class Step(StrEnum):
    """What happens to a case; a guard orders `remeasure`, and the temperature says which of two steps that is."""

    MEASURED_NORMAL = "measured_normal"
    MEASURED_HOT = "measured_hot"
    IDENTIFY = "identify"
    HAND_OVER = "hand_over"
    LEAVE = "leave"


STAGES: Mapping[CaseStage, Mapping[Step, CaseStage]] = {
    CaseStage.TO_REMEASURE: {
        Step.MEASURED_NORMAL: CaseStage.CLEARED,
        Step.MEASURED_HOT: CaseStage.TO_IDENTIFY,
        Step.LEAVE: CaseStage.LEFT,
    },
    CaseStage.TO_IDENTIFY: {Step.IDENTIFY: CaseStage.TO_HAND_OVER, Step.LEAVE: CaseStage.LEFT},
    CaseStage.TO_HAND_OVER: {Step.HAND_OVER: CaseStage.HANDED_OVER, Step.LEAVE: CaseStage.LEFT},
    CaseStage.CLEARED: {},
    CaseStage.HANDED_OVER: {},
    CaseStage.LEFT: {},
}


@dataclass(frozen=True, slots=True)
class MeasurementCase:
    """`due_at`: unfinished by then, it alarms. The person is unknown until identified, the clinic until handed over."""

    case_id: UUID
    checkpoint_id: UUID
    device_id: str
    reading_id: UUID
    temperature_c: float
    stage: CaseStage
    version: int
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None = None
    remeasured_c: float | None = None
    person_ref: UUID | None = None
    clinic_id: str | None = None


def step_of(temperature_c: float) -> Step:
    """Which step a second measurement is."""
    return Step.MEASURED_HOT if temperature_c >= FEVER_C else Step.MEASURED_NORMAL


def is_same_person(opened_by_at: datetime, measured_at: datetime) -> bool:
    """Whether a hot reading joins the case that its device opened with another; frames arrive in any order."""
    return abs(measured_at - opened_by_at) < SAME_PERSON_WITHIN


def stepped(
    case: MeasurementCase,
    step: Step,
    now: datetime,
    *,
    remeasured_c: float | None = None,
    person_ref: UUID | None = None,
    clinic_id: str | None = None,
) -> MeasurementCase:
    """The case after a step. Raises `StepRefused` where its stage does not allow it."""
    stage = STAGES[case.stage].get(step)
    if stage is None:
        raise StepRefused(step, case.stage, STAGES[case.stage])
    return replace(
        case,
        stage=stage,
        version=case.version + 1,
        closed_at=None if STAGES[stage] else now,
        remeasured_c=case.remeasured_c if remeasured_c is None else remeasured_c,
        person_ref=person_ref or case.person_ref,
        clinic_id=clinic_id or case.clinic_id,
    )
