"""Shifts over HTTP: sign-on, the note for the next shift, sign-off, and the report."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from chassis.auth import Bearer, needs, require_area
from chassis.collisions import DoneAgain
from chassis.fields import Note
from chassis.ids import uuid7
from services.checkpoints.api.bound import bound_checkpoint, bound_ids, hiding_records, kept_checkpoint, kept_under
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import Decisions, In
from services.checkpoints.domain.errors import ShiftNotFound
from services.checkpoints.domain.shifts import Shift, ShiftStep
from services.checkpoints.store import shifts

router = APIRouter(route_class=DoneAgain, tags=["shifts"])
Guard = Annotated[Bearer, Depends(needs("gate"))]
Reader = Annotated[Bearer, Depends(needs("gate", "operator"))]

STAFF_MAX = 1000
SHIFTS_MAX = 100


Version = Annotated[int, Field(strict=True, ge=1, le=2**31 - 2)]
NoteText = Annotated[Note, Field(max_length=2000)]


class SignOnIn(In):
    shift_id: UUID | None = Field(default=None, description="makes the sign-on repeatable")
    checkpoint_id: UUID
    staff: Annotated[int, Field(strict=True, ge=1, le=STAFF_MAX)]


class NoteIn(In):
    note: NoteText
    expected_version: Version


class SignOffIn(In):
    note: NoteText | None = None
    expected_version: Version


class ShiftOut(BaseModel):
    shift_id: UUID
    checkpoint_id: UUID
    staff: int
    stage: str
    version: int
    signed_on_by: str
    signed_on_at: datetime
    signed_off_by: str | None
    signed_off_at: datetime | None


class SignedOnOut(ShiftOut):
    note_before: str | None = Field(description="what the shift before wrote down")


class ShiftsOut(BaseModel):
    """`next_cursor` is null at the end, and where a checkpoint was named."""

    shifts: list[ShiftOut]
    next_cursor: UUID | None = None


class TroubleOfDeviceOut(BaseModel):
    device_id: str
    trouble: str
    since: datetime
    until: datetime | None


class ReportOut(BaseModel):
    """From sign-on to sign-off, or to now. `fevers` counts scans with 37.3 °C or more."""

    shift: ShiftOut
    until: datetime
    scans: int
    decisions: Decisions
    fevers: int
    registrations: dict[str, int] = Field(description="by outcome")
    measurement_cases: dict[str, int] = Field(description="by stage")
    devices: list[TroubleOfDeviceOut] = Field(description="silent or drifting during the shift")
    note: str | None


@router.post(
    "/v1/shifts",
    status_code=201,
    response_model=SignedOnOut,
    responses={200: {"model": SignedOnOut, "description": "signed on before"}},
)
def sign_on(body: SignOnIn, bearer: Guard, desk: AtDesk, response: Response) -> SignedOnOut:
    """Sign a shift on; the answer carries what the shift before has left word of. A 409 `shift_on_duty_already` names
    the shift on duty as `shift_id`."""
    now = desk.clock()
    with desk.database.transaction() as tx:
        checkpoint_id = bound_checkpoint(tx, desk, bearer, body.checkpoint_id, now).checkpoint_id
        shift = Shift(body.shift_id or uuid7(now), checkpoint_id, body.staff, 1, bearer.subject, now)
        signed_on, is_new = desk.shifts.sign_on(tx, shift)
        before = desk.shifts.note_of(shifts.last_signed_off(tx, checkpoint_id))
    response.status_code = 201 if is_new else 200
    return SignedOnOut(**_shown(signed_on).model_dump(), note_before=before)


@router.post("/v1/shifts/{shift_id}/note", response_model=ShiftOut)
def keep_note(shift_id: UUID, body: NoteIn, bearer: Guard, desk: AtDesk) -> ShiftOut:
    """Leave word for the next shift; a note replaces the one before."""
    return _step(shift_id, ShiftStep.NOTE, body, bearer, desk)


@router.post("/v1/shifts/{shift_id}/sign-off", response_model=ShiftOut)
def sign_off(shift_id: UUID, body: SignOffIn, bearer: Reader, desk: AtDesk) -> ShiftOut:
    """End the shift, as a guard bound to its checkpoint or as an operator whose area holds it."""
    return _step(shift_id, ShiftStep.SIGN_OFF, body, bearer, desk)


@router.get("/v1/shifts", response_model=ShiftsOut)
def read_shifts(
    bearer: Reader,
    desk: AtDesk,
    checkpoint: Annotated[
        UUID | None, Query(description="of this one; without, of all that the bearer reaches")
    ] = None,
    stage: Annotated[Literal["on_duty", "signed_off"] | None, Query(description="without `checkpoint` only")] = None,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=SHIFTS_MAX)] = 20,
) -> ShiftsOut:
    """The shifts of a checkpoint, and of what it was merged into: the one on duty first, then the newest.

    Without a checkpoint: of the bearer's subtree, or of the checkpoints that a gate's token names, in pages.
    """
    now = desk.clock()
    with desk.database.transaction() as tx:
        if checkpoint is not None:
            found = shifts.newest(tx, kept_under(tx, desk, bearer, checkpoint, now), most=limit)
            return ShiftsOut(shifts=[_shown(shift) for shift in found])
        require_area(bearer, bearer.area)
        found = shifts.listed(
            tx,
            area=bearer.area,
            only=bound_ids(bearer) if bearer.has_role("gate") else None,
            is_on_duty=None if stage is None else stage == "on_duty",
            before=cursor,
            at=now,
            most=limit,
        )
    cursor = found[-1].shift_id if len(found) == limit else None
    return ShiftsOut(shifts=[_shown(shift) for shift in found], next_cursor=cursor)


@router.get("/v1/shifts/{shift_id}", response_model=ShiftOut)
def read(shift_id: UUID, bearer: Reader, desk: AtDesk) -> ShiftOut:
    with desk.database.transaction() as tx:
        return _shown(_kept(tx, desk, bearer, shift_id)[0])


@router.get("/v1/shifts/{shift_id}/report", response_model=ReportOut)
def report(shift_id: UUID, bearer: Reader, desk: AtDesk) -> ReportOut:
    """What happened at the checkpoint during the shift."""
    now = desk.clock()
    with desk.database.transaction() as tx:
        kept = _kept(tx, desk, bearer, shift_id)
        found = shifts.report_of(tx, kept[0], now)
    decisions: Decisions = {"pass": {}, "check": {}, "stop": {}}
    for row in found["scans"]:
        decisions[row["decision"]][row["colour"]] = row["scans"]
    return ReportOut(
        shift=_shown(kept[0]),
        until=kept[0].signed_off_at or now,
        scans=sum(row["scans"] for row in found["scans"]),
        decisions=decisions,
        fevers=sum(row["fevers"] for row in found["scans"]),
        registrations={row["outcome"]: row["registrations"] for row in found["registrations"]},
        measurement_cases={row["stage"]: row["cases"] for row in found["cases"]},
        devices=[TroubleOfDeviceOut(**row) for row in found["troubles"]],
        note=desk.shifts.note_of(kept),
    )


def _step(shift_id: UUID, step: ShiftStep, body: NoteIn | SignOffIn, bearer: Bearer, desk: Desk) -> ShiftOut:
    now = desk.clock()
    with desk.database.transaction() as tx:
        _kept(tx, desk, bearer, shift_id)
        changed = desk.shifts.take_step(
            tx,
            shift_id,
            step,
            note=body.note,
            expected_version=body.expected_version,
            by=bearer.subject,
            now=now,
        )
    return _shown(changed)


def _kept(tx: Connection, desk: Desk, bearer: Bearer, shift_id: UUID) -> shifts.Kept:
    """The shift, if the bearer is bound to its checkpoint, or an operator of its area."""
    with hiding_records(desk, bearer, ShiftNotFound):
        kept = shifts.find(tx, shift_id)
        if kept is None:
            raise ShiftNotFound()
    kept_checkpoint(tx, desk, bearer, kept[0].checkpoint_id, desk.clock())
    return kept


def _shown(shift: Shift) -> ShiftOut:
    return ShiftOut(
        shift_id=shift.shift_id,
        checkpoint_id=shift.checkpoint_id,
        staff=shift.staff,
        stage=shift.stage.value,
        version=shift.version,
        signed_on_by=shift.signed_on_by,
        signed_on_at=shift.signed_on_at,
        signed_off_by=shift.signed_off_by,
        signed_off_at=shift.signed_off_at,
    )
