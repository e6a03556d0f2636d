"""Registration in place over HTTP: a person without a code at a road, a compound or a port."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Connection, RowMapping

from chassis.access_log import log_looks
from chassis.auth import Bearer, hiding, needs
from chassis.collisions import DoneAgain
from chassis.problems import Problem, field_errors
from chassis.texts import shown
from city.areas import OUTSIDE_OR_NODE
from services.checkpoints.api.bound import bound_checkpoint
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.forms import Form, RegistrationIn, read_form
from services.checkpoints.api.models import DocumentIn, In
from services.checkpoints.api.problems import problem_of
from services.checkpoints.api.scan_schemas import ProblemDocument, Words
from services.checkpoints.attempts import FieldError
from services.checkpoints.domain.errors import AreaUnknown, RegistrationNotFound
from services.checkpoints.domain.policy import KindPolicy
from services.checkpoints.domain.registrations import Admittance, Registration, words_of
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.store import registrations
from services.checkpoints.use_cases.places import find_checkpoint

router = APIRouter(route_class=DoneAgain, tags=["registrations"])
Guard = Annotated[Bearer, Depends(needs("gate", "community"))]
Reader = Annotated[Bearer, Depends(needs("community", "operator", "authority"))]

BATCH_MAX = 500


class RegistrationsIn(In):
    registrations: list[Any] = Field(min_length=1, max_length=BATCH_MAX)


class ClinicOut(BaseModel):
    clinic_id: str
    name: Words
    area: str


class RegisteredOut(BaseModel):
    registration_id: UUID
    decision: Literal["pass", "check", "stop"]
    outcome: Literal["registered", "fever", "checkpoint_revoked"]
    say: Words
    fever_clinic: ClinicOut | None
    policy_version: str
    recorded_at: datetime


class RefusedRegistrationOut(BaseModel):
    registration_id: str | None
    problem: ProblemDocument


class RegistrationsOut(BaseModel):
    """In the order of the registrations."""

    results: list[RegisteredOut | RefusedRegistrationOut]


class RegistrationOut(BaseModel):
    registration_id: UUID
    checkpoint_id: UUID
    person_ref: UUID
    document: DocumentIn
    name: str | None
    phone: str
    from_area: str
    to_area: str
    temperature_c: float | None
    registered_at: datetime
    decision: str


@dataclass(frozen=True, slots=True)
class _Filed:
    """A form, and the checkpoint that takes it; the registration is that checkpoint's."""

    form: Form
    registration: Registration
    checkpoint: Checkpoint


@router.post("/v1/registrations", response_model=RegisteredOut)
def register(body: RegistrationIn, bearer: Guard, desk: AtDesk) -> RegisteredOut:
    """Register a person in place; the answer says what the guard does next. The same again gets the first answer."""
    now = desk.clock()
    try:
        with desk.database.transaction() as tx:
            filed = _filed(tx, body, bearer, desk, now)
            admittance = _registered(tx, filed, bearer, desk, now)
        return _answer(filed, admittance, desk)
    except Exception as error:
        raise problem_of(error) or error from None


@router.post("/v1/registrations/batch", response_model=RegistrationsOut)
def register_many(body: RegistrationsIn, bearer: Guard, desk: AtDesk) -> RegistrationsOut:
    """What was written down without a network, up to 500; an invalid one has its own problem, the rest are recorded."""
    now = desk.clock()
    results: dict[int, RegisteredOut | RefusedRegistrationOut] = {}
    with desk.database.transaction() as tx:
        filed: list[tuple[int, _Filed]] = []
        for number, item in enumerate(body.registrations):
            try:
                filed.append((number, _filed(tx, _read_item(item, number), bearer, desk, now)))
            except Exception as error:
                results[number] = _refused(item, error)
        for number, each in sorted(filed, key=lambda pair: pair[1].registration.registration_id):
            try:
                results[number] = _answer(each, _registered(tx, each, bearer, desk, now), desk)
            except Exception as error:
                results[number] = _refused(body.registrations[number], error)
    return RegistrationsOut(results=[results[number] for number in range(len(body.registrations))])


@router.get("/v1/registrations/{registration_id}", response_model=RegistrationOut)
def read(registration_id: UUID, bearer: Reader, desk: AtDesk) -> RegistrationOut:
    """Who is coming: for the destination, and for the checkpoint's own area; logged."""
    with desk.database.transaction() as tx:
        row, is_reached = _seen(tx, desk, bearer, registration_id)
        persons = [] if row is None else [row["person_ref"]]
        route = "/v1/registrations/{registration_id}"
        log_looks(tx, bearer, what="registration", route=route, persons=persons, is_refused=not is_reached)
    if row is None or not is_reached:
        with hiding(bearer, desk.city, RegistrationNotFound):
            raise RegistrationNotFound()

    def opened(column: str) -> str | None:
        sealed = row[f"{column}_sealed"]
        return None if sealed is None else desk.sealer.open(bytes(sealed), owner=row["person_ref"], column=column)

    return RegistrationOut(
        **{name: row[name] for name in RegistrationOut.model_fields if name in row},
        document=DocumentIn(type=row["document_type"], country=row["country"], number=opened("number") or ""),
        name=shown(opened("name") or "") or None,
        phone=opened("phone") or "",
    )


def _seen(tx: Connection, desk: Desk, bearer: Bearer, registration_id: UUID) -> tuple[RowMapping | None, bool]:
    """The registration, and whether the bearer reaches where the person goes, or went on to, or was registered."""
    row = registrations.find(tx, registration_id)
    if row is None or row["registered_at"] < desk.keeping.scans_since(desk.clock()):
        return None, False
    registered_in = find_checkpoint(tx, row["checkpoint_id"], row["registered_at"]).area
    areas = [row["to_area"], registered_in, *registrations.destinations_of(tx, registration_id)]
    return row, any(bearer.can_see_area(area) for area in areas)


def _read_item(item: object, number: int) -> RegistrationIn:
    try:
        return RegistrationIn.model_validate(item)
    except ValidationError as error:
        errors = [
            {"field": f"registrations.{number}.{each['field']}", "message": each["message"]}
            for each in field_errors(error.errors(include_input=False, include_url=False))
        ]
        named = ", ".join(each["field"] for each in errors[:5])
        raise Problem(422, "invalid_request", f"The request is not valid: {named}.", errors=errors[:50]) from None


def _filed(tx: Connection, body: RegistrationIn, bearer: Bearer, desk: Desk, now: datetime) -> _Filed:
    """Raises `FieldError`, `AreaUnknown`, and what `bound_checkpoint` raises."""
    form = read_form(body, desk.attempts, now)
    if not desk.areas.has(body.to_area):
        raise AreaUnknown()
    if body.from_area.isdecimal() and not desk.areas.has_or_lies_outside(body.from_area):
        raise FieldError("from_area", f"{OUTSIDE_OR_NODE}; from abroad, the two letters of the country")
    checkpoint = bound_checkpoint(tx, desk, bearer, body.checkpoint_id, form.registration.registered_at)
    return _Filed(form, replace(form.registration, checkpoint_id=checkpoint.checkpoint_id), checkpoint)


def _registered(tx: Connection, filed: _Filed, bearer: Bearer, desk: Desk, now: datetime) -> Admittance:
    return desk.registering.register(
        tx,
        filed.registration,
        document=filed.form.document,
        name=filed.form.name,
        phone=filed.form.phone,
        policy=_policy(filed, desk, now),
        checkpoint=filed.checkpoint,
        by=bearer.subject,
        now=now,
    )


def _policy(filed: _Filed, desk: Desk, recorded_at: datetime) -> KindPolicy:
    """What was in force when it was recorded; for a post without a network, when it was written down."""
    taken = filed.registration
    at = recorded_at if taken.offline_decision is None else taken.registered_at
    return desk.policies.of_moment(filed.checkpoint.kind, at)


def _answer(filed: _Filed, admittance: Admittance, desk: Desk) -> RegisteredOut:
    """A repeat is answered in the words of the policy that decided it: of its moment, or of when it was recorded."""
    found = _policy(filed, desk, admittance.recorded_at)
    if found.version != admittance.policy_version:
        found = desk.policies.of_moment(filed.checkpoint.kind, admittance.recorded_at)
    say = words_of(found, admittance.outcome)
    has_fever = filed.registration.has_fever()
    return RegisteredOut(
        registration_id=filed.registration.registration_id,
        decision=admittance.decision.value,
        outcome=admittance.outcome,  # type: ignore[arg-type]
        say=Words(zh=say.zh, en=say.en),
        fever_clinic=clinic_out(desk, filed.checkpoint.area) if has_fever else None,
        policy_version=admittance.policy_version,
        recorded_at=admittance.recorded_at,
    )


def clinic_out(desk: Desk, area: str) -> ClinicOut | None:
    clinic = desk.clinics.nearest(area)
    if clinic is None:
        return None
    return ClinicOut(clinic_id=clinic.clinic_id, name=Words(zh=clinic.name_zh, en=clinic.name_en), area=clinic.area)


def _refused(item: object, error: Exception) -> RefusedRegistrationOut:
    """Raises what is no refusal but trouble: then nothing of the batch is recorded."""
    problem = problem_of(error)
    if problem is None:
        raise error
    given = item.get("registration_id") if isinstance(item, dict) else None
    return RefusedRegistrationOut(
        registration_id=given[:36] if isinstance(given, str) else None,
        problem=ProblemDocument(**problem.document()),
    )
