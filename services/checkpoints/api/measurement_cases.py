"""Measurement cases over HTTP: what a guard does about a hot reading, step by step."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, model_validator
from sqlalchemy import Connection

from chassis.access_log import log_looks
from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.checkpoints.api.bound import bound_checkpoint, hiding_records, kept_under
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import In
from services.checkpoints.api.problems import problem_of
from services.checkpoints.api.scan_schemas import CredentialIn
from services.checkpoints.attempts import TEMPERATURE_C_MAX, TEMPERATURE_C_MIN, FieldError, read_document
from services.checkpoints.domain.errors import FeverClinicNotFound, MeasurementCaseNotFound, PersonUnknown
from services.checkpoints.domain.measurement import STAGES, MeasurementCase, Step, step_of
from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.store import measurement_cases, standings
from services.checkpoints.use_cases.measuring import StepOrder

router = APIRouter(route_class=DoneAgain, tags=["measurement cases"])
Guard = Annotated[Bearer, Depends(needs("gate"))]
OPEN_MAX = 200
_STEPS = "/v1/measurement-cases/{case_id}/steps"

_NEEDED = {"remeasure": {"temperature_c"}, "identify": {"credential"}, "hand_over": set[str](), "leave": set[str]()}
_ALLOWED = _NEEDED | {"hand_over": {"clinic_id"}}


class StepIn(In):
    """`remeasure` with the temperature, `identify` with the person's document or pass, `hand_over` to a fever clinic
    (the nearest, unless one is named), `leave` where the person has gone."""

    step: Literal["remeasure", "identify", "hand_over", "leave"]
    expected_version: Annotated[int, Field(strict=True, ge=1, le=2**31 - 2)]
    temperature_c: float | None = Field(default=None, strict=True, ge=TEMPERATURE_C_MIN, le=TEMPERATURE_C_MAX)
    credential: CredentialIn | None = None
    clinic_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,40}$")

    @model_validator(mode="after")
    def _fits(self) -> StepIn:
        given = {name for name in ("temperature_c", "credential", "clinic_id") if getattr(self, name) is not None}
        if surplus := given - _ALLOWED[self.step]:
            raise ValueError(f"{self.step} does not take {', '.join(sorted(surplus))}")
        if missing := _NEEDED[self.step] - given:
            raise ValueError(f"{self.step} needs {', '.join(sorted(missing))}")
        return self


class StepOut(BaseModel):
    version: int
    step: str
    stage: str
    made_by: str
    made_at: datetime


class CaseOut(BaseModel):
    case_id: UUID
    checkpoint_id: UUID
    device_id: str
    temperature_c: float
    remeasured_c: float | None
    stage: str
    version: int
    next_steps: list[str]
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    clinic_id: str | None


class CaseWithStepsOut(CaseOut):
    steps: list[StepOut]


class CasesOut(BaseModel):
    cases: list[CaseOut]


@router.get("/v1/measurement-cases", response_model=CasesOut)
def read_open(checkpoint: Annotated[UUID, Query()], bearer: Guard, desk: AtDesk) -> CasesOut:
    """The unfinished cases of a checkpoint, and of what it was merged into, the oldest first."""
    with desk.database.transaction() as tx:
        checkpoint_ids = kept_under(tx, desk, bearer, checkpoint, desk.clock())
        found = measurement_cases.open_at(tx, checkpoint_ids, most=OPEN_MAX)
    return CasesOut(cases=[CaseOut(**_shown(case)) for case in found])


@router.get("/v1/measurement-cases/{case_id}", response_model=CaseWithStepsOut)
def read(case_id: UUID, bearer: Guard, desk: AtDesk) -> CaseWithStepsOut:
    with desk.database.transaction() as tx:
        case = _case(tx, desk, bearer, case_id)
        steps = measurement_cases.steps_of(tx, case_id)
    return CaseWithStepsOut(**_shown(case), steps=[StepOut(**step) for step in steps])


@router.post(_STEPS, response_model=CaseOut)
def take_step(case_id: UUID, body: StepIn, bearer: Guard, desk: AtDesk) -> CaseOut:
    """Say what was done about a case; 412 when it has changed since the expected version.

    The look at who was identified is logged first and stays, also where the step is refused.
    """
    now = desk.clock()
    try:
        with desk.database.transaction() as tx:
            checkpoint = bound_checkpoint(tx, desk, bearer, _case(tx, desk, bearer, case_id).checkpoint_id, now)
            order = StepOrder(
                case_id=case_id,
                step=step_of(body.temperature_c) if body.temperature_c is not None else Step(body.step),
                expected_version=body.expected_version,
                remeasured_c=body.temperature_c,
                person_ref=None if body.credential is None else _person_ref(tx, desk, body.credential, now),
                clinic_id=_clinic_id(desk, body.clinic_id, checkpoint.area) if body.step == "hand_over" else None,
            )
            if order.person_ref is not None:
                log_looks(tx, bearer, what="identification", route=_STEPS, persons=[order.person_ref])
        with desk.database.transaction() as tx:
            case = desk.measuring.take_step(tx, order, checkpoint, by=bearer.subject, now=now)
        return CaseOut(**_shown(case))
    except Exception as error:
        raise problem_of(error) or error from None


def _case(tx: Connection, desk: Desk, bearer: Bearer, case_id: UUID) -> MeasurementCase:
    with hiding_records(desk, bearer, MeasurementCaseNotFound):
        case = measurement_cases.find(tx, case_id)
        if case is None or case.opened_at < desk.keeping.scans_since(desk.clock()):
            raise MeasurementCaseNotFound()
    bound_checkpoint(tx, desk, bearer, case.checkpoint_id, desk.clock())
    return case


def _person_ref(tx: Connection, desk: Desk, credential: CredentialIn, now: datetime) -> UUID:
    """Raises `FieldError`, `PersonUnknown`."""
    if credential.plate is not None:
        raise FieldError("credential.plate", "names no person")
    if credential.document is not None:
        return desk.attempts.person_ref(read_document(credential.document.model_dump(), "credential.document"))
    if credential.pass_ is None:
        raise FieldError("credential", "one of pass and document is needed")
    shown = desk.key_ring.read(credential.pass_, now)
    person_ref = standings.holder_of(tx, shown.entry) if isinstance(shown, ReadPass) else None
    if person_ref is None:
        raise PersonUnknown()
    return person_ref


def _clinic_id(desk: Desk, clinic_id: str | None, area: str) -> str:
    clinic = desk.clinics.nearest(area) if clinic_id is None else desk.clinics.find(clinic_id)
    if clinic is None:
        raise FeverClinicNotFound()
    return clinic.clinic_id


def _shown(case: MeasurementCase) -> dict[str, Any]:
    """The steps are named as a guard orders them."""
    following = {"remeasure" if step.value.startswith("measured") else step.value for step in STAGES[case.stage]}
    shown = {name: getattr(case, name) for name in CaseOut.model_fields if name not in ("stage", "next_steps")}
    return shown | {"stage": case.stage.value, "next_steps": sorted(following)}
