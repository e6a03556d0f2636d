"""Devices over HTTP: registered by an operator, heard through their readings, which name nobody."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, BeforeValidator, FailFast, Field, StringConstraints, model_validator
from sqlalchemy import Connection

from chassis.auth import Bearer, hiding, needs, outside, require_area
from chassis.collisions import DoneAgain
from chassis.fields import DateTime, TimeOfDay
from chassis.problems import Problem
from services.checkpoints.api.bound import hiding_from_gates, reaches_any
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import In
from services.checkpoints.api.places import Operator
from services.checkpoints.attempts import TEMPERATURE_C_MAX, TEMPERATURE_C_MIN
from services.checkpoints.domain.devices import Device, DeviceKind, Reading
from services.checkpoints.domain.errors import (
    CheckpointNotFound,
    DeviceNotFound,
    DeviceRegisteredOtherwise,
    RevisionStale,
)
from services.checkpoints.store import devices
from services.checkpoints.use_cases.places import find_way

router = APIRouter(route_class=DoneAgain, tags=["devices"])
AtDevice = Annotated[Bearer, Depends(needs("device"))]
Reader = Annotated[Bearer, Depends(needs("operator", "gate", "service", scope="devices"))]

READINGS_MAX = 500
ACCURACY_C_MIN, ACCURACY_C_MAX = 0.001, 5.0
AGE_MAX, AHEAD_MAX = timedelta(days=1), timedelta(minutes=5)

DeviceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{2,63}$")]
_DEFAULT_INTERVAL_S = 600


class PlacementIn(In):
    """`on_from` and `on_to` are the city's time of day between which it is on duty; round the clock without them."""

    checkpoint_id: UUID
    accuracy_c: float | None = Field(
        default=None, strict=True, ge=ACCURACY_C_MIN, le=ACCURACY_C_MAX, description="the maker's, in °C"
    )
    interval_s: int = Field(default=_DEFAULT_INTERVAL_S, strict=True, ge=10, le=86_400, description="longer is silence")
    on_from: TimeOfDay | None = None
    on_to: TimeOfDay | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> PlacementIn:
        if (self.on_from is None) != (self.on_to is None):
            raise ValueError("on_from and on_to come together")
        if self.on_from is not None and self.on_from == self.on_to:
            raise ValueError("on_from and on_to differ; leave both out for round the clock")
        return self


class DeviceIn(PlacementIn):
    device_id: DeviceId = Field(description="the `sub` of the device's token")
    kind: Literal["thermal_camera", "hand_thermometer", "door_sensor"]


class DeviceMoveIn(PlacementIn):
    expected_revision: Annotated[int, Field(strict=True, ge=1, le=2**31 - 2)]


class TroubleOut(BaseModel):
    trouble: Literal["silent", "drifting"]
    since: datetime
    until: datetime | None
    deviation_c: float | None


class DeviceOut(BaseModel):
    device_id: str
    kind: str
    checkpoint_id: UUID
    accuracy_c: float | None
    interval_s: int
    on_from: time | None
    on_to: time | None
    revision: int
    troubles: list[TroubleOut] = Field(description="the newest first; those without `until` last still")


class ReadingIn(In):
    reading_id: UUID = Field(description="version 7")
    temperature_c: float | None = Field(default=None, strict=True, ge=TEMPERATURE_C_MIN, le=TEMPERATURE_C_MAX)
    measured_at: DateTime = Field(description="at most a day ago")


class OpenedCaseOut(BaseModel):
    case_id: UUID
    reading_id: UUID
    due_at: datetime


class ReadingsOut(BaseModel):
    """`recorded` counts those that were new; `cases` are those that hot readings opened."""

    recorded: int
    cases: list[OpenedCaseOut]


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


OneOrMore = Annotated[
    list[ReadingIn],
    FailFast(),
    Field(min_length=1, max_length=READINGS_MAX),
    BeforeValidator(_listed, json_schema_input_type=ReadingIn | list[ReadingIn]),
]


@router.post(
    "/v1/devices",
    status_code=201,
    response_model=DeviceOut,
    responses={200: {"model": DeviceOut, "description": "registered before, with the same content"}},
)
def register(body: DeviceIn, bearer: Operator, desk: AtDesk, response: Response) -> DeviceOut:
    """Register a device at a checkpoint of the operator's own subtree."""
    kind = DeviceKind(body.kind)
    _require_accuracy(kind, body.accuracy_c)
    device = Device(
        body.device_id, kind, body.checkpoint_id, body.accuracy_c, body.interval_s, body.on_from, body.on_to
    )
    now = desk.clock()
    with desk.database.transaction() as tx:
        _require_taker(tx, desk, bearer, body.checkpoint_id, now)
        is_new = devices.add(tx, device, by=bearer.subject, at=now)
        known = devices.find(tx, body.device_id)
        if known is None:
            raise DeviceRegisteredOtherwise()
        if not _is_same(known, device):
            _require_reached(tx, bearer, known, now)
            raise DeviceRegisteredOtherwise()
        response.status_code = 201 if is_new else 200
        return _shown(known, devices.troubles_of(tx, device.device_id))


@router.put("/v1/devices/{device_id}", response_model=DeviceOut)
def place(device_id: DeviceId, body: DeviceMoveIn, bearer: Operator, desk: AtDesk) -> DeviceOut:
    """Place a device anew: at another checkpoint, with another interval or other hours."""
    now = desk.clock()
    with desk.database.transaction() as tx:
        with hiding(bearer, desk.city, DeviceNotFound):
            known = devices.find(tx, device_id, is_locked=True)
            if known is None:
                raise DeviceNotFound()
        for checkpoint_id in (known.checkpoint_id, body.checkpoint_id):
            _require_taker(tx, desk, bearer, checkpoint_id, now)
        if known.revision != body.expected_revision:
            raise RevisionStale(body.expected_revision, known.revision)
        _require_accuracy(known.kind, body.accuracy_c)
        placed = Device(
            device_id,
            known.kind,
            body.checkpoint_id,
            body.accuracy_c,
            body.interval_s,
            body.on_from,
            body.on_to,
            known.revision + 1,
        )
        devices.save(tx, placed, by=bearer.subject, at=now)
        return _shown(placed, devices.troubles_of(tx, device_id))


@router.get("/v1/devices/{device_id}", response_model=DeviceOut)
def read(
    device_id: DeviceId,
    bearer: Reader,
    desk: AtDesk,
) -> DeviceOut:
    """A device, and what was wrong with it of late; a gate reads those of its own checkpoints."""
    now = desk.clock()
    with desk.database.transaction() as tx:
        with hiding_from_gates(desk, bearer, DeviceNotFound):
            known = devices.find(tx, device_id)
            if known is None:
                raise DeviceNotFound()
        _require_reached(tx, bearer, known, now)
        return _shown(known, devices.troubles_of(tx, device_id))


@router.post("/v1/readings", response_model=ReadingsOut)
def take_readings(body: OneOrMore, bearer: AtDevice, desk: AtDesk) -> ReadingsOut:
    """Take one reading or up to 500, all or none. A hot one opens a measurement case, or joins the one that the
    device opened less than 10 s before; the same again has no effect."""
    now = desk.clock()
    with desk.database.transaction() as tx:
        device = devices.find(tx, bearer.subject)
        if device is None:
            raise DeviceNotFound()
        way = find_way(tx, device.checkpoint_id, now)
        require_area(bearer, way[0].area)
        readings = [_reading(each, device, number, now) for number, each in enumerate(body)]
        recorded, cases = desk.measuring.take_readings(tx, device, way[-1], readings, now)
    return ReadingsOut(
        recorded=recorded,
        cases=[OpenedCaseOut(case_id=each.case_id, reading_id=each.reading_id, due_at=each.due_at) for each in cases],
    )


def _require_reached(tx: Connection, bearer: Bearer, device: Device, now: datetime) -> None:
    """Raises a `Problem` (403) for a device of a checkpoint that the bearer does not reach."""
    way = [(each.checkpoint_id, each.area) for each in find_way(tx, device.checkpoint_id, now)]
    if not reaches_any(tx, bearer, way, now):
        raise outside(bearer)


def _require_taker(tx: Connection, desk: Desk, bearer: Bearer, checkpoint_id: UUID, now: datetime) -> None:
    """Raises `CheckpointNotFound`, a `Problem` (403) where what takes the checkpoint's scans lies elsewhere."""
    with hiding(bearer, desk.city, CheckpointNotFound):
        way = find_way(tx, checkpoint_id, now)
    require_area(bearer, way[-1].area)


def _reading(body: ReadingIn, device: Device, number: int, now: datetime) -> Reading:
    if body.reading_id.version != 7:
        raise _invalid(f"{number}.reading_id", "must be a UUID of version 7")
    if not now - AGE_MAX <= body.measured_at <= now + AHEAD_MAX:
        raise _invalid(f"{number}.measured_at", "must lie between a day ago and 5 minutes ahead")
    if (body.temperature_c is not None) != device.kind.measures:
        said = "is needed" if device.kind.measures else "is nothing that a door sensor measures"
        raise _invalid(f"{number}.temperature_c", said)
    return Reading(body.reading_id, body.temperature_c, body.measured_at)


def _require_accuracy(kind: DeviceKind, accuracy_c: float | None) -> None:
    if (accuracy_c is not None) != kind.measures:
        said = "is needed" if kind.measures else "is nothing that a door sensor has"
        raise _invalid("accuracy_c", said)


def _invalid(field: str, message: str) -> Problem:
    named = {"field": field, "message": message}
    return Problem(422, "invalid_request", f"The request is not valid: {field}.", errors=[named])


def _is_same(known: Device, device: Device) -> bool:
    return (known.kind, known.checkpoint_id, known.accuracy_c, known.interval_s, known.on_from, known.on_to) == (
        device.kind,
        device.checkpoint_id,
        device.accuracy_c,
        device.interval_s,
        device.on_from,
        device.on_to,
    )


def _shown(device: Device, troubles: object) -> DeviceOut:
    return DeviceOut(
        device_id=device.device_id,
        kind=device.kind.value,
        checkpoint_id=device.checkpoint_id,
        accuracy_c=device.accuracy_c,
        interval_s=device.interval_s,
        on_from=device.on_from,
        on_to=device.on_to,
        revision=device.revision,
        troubles=[TroubleOut(**each) for each in troubles],  # type: ignore[attr-defined]
    )
