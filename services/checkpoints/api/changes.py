"""The life of checkpoints over HTTP: changes ordered, one or many at one moment, and the history of each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, FailFast, Field, model_validator
from sqlalchemy import Connection

from chassis.auth import Bearer, hiding, require_area
from chassis.collisions import DoneAgain
from chassis.fields import DateTime
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import In, Kind, Text
from services.checkpoints.api.places import Official, Operator, reached_checkpoint, require_moment
from services.checkpoints.api.problems import naming
from services.checkpoints.domain.errors import CheckpointNotFound
from services.checkpoints.domain.life import Change, ChangeKind, Timeline
from services.checkpoints.domain.scans import EVER
from services.checkpoints.store import lives
from services.checkpoints.use_cases.places import ChangeOrder

router = APIRouter(route_class=DoneAgain, tags=["checkpoints"])

CHANGES_MAX = 1000
LATE_MAX = timedelta(minutes=5)
"""How far back a change may begin to hold: the gates of another clock, and the time an order takes to arrive."""
REVISION_MAX = 2**31 - 2

_NEEDED = {
    ChangeKind.CONVERT: frozenset(["kind"]),
    ChangeKind.MERGE: frozenset(["into"]),
    ChangeKind.WITHDRAW: frozenset(["withdraws"]),
}
_ALLOWED = {
    ChangeKind.MOVE: frozenset(["name", "venue", "area"]),
    ChangeKind.CONVERT: frozenset(["kind", "name", "venue"]),
    ChangeKind.MERGE: frozenset(["into"]),
    ChangeKind.WITHDRAW: frozenset(["withdraws"]),
}
_DETAILS = ("kind", "name", "venue", "area", "into", "withdraws")


class ChangeIn(In):
    """`move` takes name, venue and area, `convert` a kind, `merge` the checkpoint `into` which scans go from then on,
    `withdraw` the number of a change that does not hold yet."""

    change: Literal["open", "move", "convert", "merge", "close", "withdraw"]
    expected_revision: Annotated[int, Field(strict=True, ge=1, le=REVISION_MAX)]
    at: DateTime | None = Field(default=None, description="from when it holds; now when absent")
    reason: Text
    kind: Kind | None = None
    name: Text | None = None
    venue: Text | None = None
    area: str | None = Field(default=None, pattern=r"^[0-9]{4,18}$")
    into: UUID | None = None
    withdraws: Annotated[int, Field(strict=True, ge=2, le=REVISION_MAX)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> ChangeIn:
        change = ChangeKind(self.change)
        given = {name for name in _DETAILS if getattr(self, name) is not None}
        if surplus := given - _ALLOWED.get(change, frozenset()):
            raise ValueError(f"{change} does not take {', '.join(sorted(surplus))}")
        if missing := _NEEDED.get(change, frozenset()) - given:
            raise ValueError(f"{change} needs {', '.join(sorted(missing))}")
        if change is ChangeKind.MOVE and not given:
            raise ValueError("move needs name, venue or area")
        return self


class ChangeOfCheckpointIn(ChangeIn):
    checkpoint_id: UUID


class ChangesIn(In):
    """Many checkpoints changed together: all of them or none."""

    changes: Annotated[list[ChangeOfCheckpointIn], FailFast()] = Field(min_length=1, max_length=CHANGES_MAX)

    @model_validator(mode="after")
    def _differ(self) -> ChangesIn:
        if len({each.checkpoint_id for each in self.changes}) < len(self.changes):
            raise ValueError("a checkpoint stands in the list once")
        return self


class ChangeOrderedOut(BaseModel):
    checkpoint_id: UUID
    number: int
    revision: int
    at: datetime


class ChangesOrderedOut(BaseModel):
    changes: list[ChangeOrderedOut]


class ChangeOut(BaseModel):
    """A line of the history; what is null stayed as it was. `at` of the registration is null: since ever."""

    number: int
    change: str
    at: datetime | None
    reason: str
    ordered_by: str
    ordered_at: datetime
    kind: str | None
    name: str | None
    venue: str | None
    area: str | None
    into: UUID | None
    withdraws: int | None


class HistoryOfCheckpointOut(BaseModel):
    changes: list[ChangeOut]


@router.post("/v1/checkpoints/{checkpoint_id}/changes", status_code=201, response_model=ChangeOrderedOut)
def order_change(checkpoint_id: UUID, body: ChangeIn, bearer: Operator, desk: AtDesk) -> ChangeOrderedOut:
    """Order a change of a checkpoint, now or at a set time; 412 when it has changed since the expected revision."""
    now = desk.clock()
    order = _order_of(checkpoint_id, body, "at", now)
    with desk.database.transaction() as tx, hiding(bearer, desk.city, CheckpointNotFound):
        versions, change = desk.places.order_change(
            tx,
            order,
            desk.places.lock(tx, [order]),
            require_area=lambda area: require_area(bearer, area),
            reaches=bearer.can_see_area,
            ordered_by=bearer.subject,
            now=now,
        )
    desk.registry.put([versions])
    return _ordered(versions, change)


@router.post("/v1/checkpoints/changes", status_code=201, response_model=ChangesOrderedOut)
def order_changes(body: ChangesIn, bearer: Operator, desk: AtDesk) -> ChangesOrderedOut:
    """Order changes of up to 1,000 checkpoints in one transaction: all hold, or none."""
    now = desk.clock()
    orders = [_order_of(each.checkpoint_id, each, f"changes.{n}.at", now) for n, each in enumerate(body.changes)]
    with desk.database.transaction() as tx:
        revisions = desk.places.lock(tx, orders)
        ordered = [_one_of_many(tx, desk, order, revisions, bearer, now, n) for n, order in enumerate(orders)]
        lives.let_be_read(tx, revisions)
    desk.registry.put(versions for versions, _ in ordered)
    return ChangesOrderedOut(changes=[_ordered(versions, change) for versions, change in ordered])


@router.get("/v1/checkpoints/{checkpoint_id}/changes", response_model=HistoryOfCheckpointOut)
def read_changes(checkpoint_id: UUID, bearer: Official, desk: AtDesk) -> HistoryOfCheckpointOut:
    """Everything that was ordered of a checkpoint: what, from when, by whom, why."""
    with desk.database.transaction() as tx:
        reached_checkpoint(tx, desk, bearer, checkpoint_id)
        lines = lives.history_of(tx, checkpoint_id)
    return HistoryOfCheckpointOut(
        changes=[
            ChangeOut(
                **{name: line[name] for name in ChangeOut.model_fields if name not in ("at", "into")},
                at=None if line["holds_from"] == EVER else line["holds_from"],
                into=line["successor"],
            )
            for line in lines
        ]
    )


def _order_of(checkpoint_id: UUID, body: ChangeIn, field: str, now: datetime) -> ChangeOrder:
    if body.at is not None:
        require_moment(body.at, field, not_before=now - LATE_MAX, now=now)
    return ChangeOrder(
        checkpoint_id=checkpoint_id,
        change=ChangeKind(body.change),
        expected_revision=body.expected_revision,
        holds_from=body.at or now,
        reason=body.reason,
        kind=body.kind,
        name=body.name,
        venue=body.venue,
        area=body.area,
        successor=body.into,
        withdraws=body.withdraws,
    )


def _one_of_many(
    tx: Connection,
    desk: Desk,
    order: ChangeOrder,
    revisions: dict[UUID, int],
    bearer: Bearer,
    now: datetime,
    number: int,
) -> tuple[Timeline, Change]:
    """The order's outcome; a refusal names which of the many it was."""
    with naming(f"changes.{number}"), hiding(bearer, desk.city, CheckpointNotFound):
        return desk.places.order_change(
            tx,
            order,
            revisions,
            require_area=lambda area: require_area(bearer, area),
            reaches=bearer.can_see_area,
            ordered_by=bearer.subject,
            now=now,
        )


def _ordered(versions: Timeline, change: Change) -> ChangeOrderedOut:
    return ChangeOrderedOut(
        checkpoint_id=versions[0].checkpoint_id,
        number=change.number,
        revision=versions[0].revision,
        at=change.holds_from,
    )
