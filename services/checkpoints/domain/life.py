"""The life of a checkpoint: it opens, moves, converts, merges and closes, each at a set time; what held when is kept.

A change says only what it changes. Folded over the registration in the order of the moments from which they hold, the
changes give the versions of the checkpoint: exactly one for every moment, and a scan is judged by its moment's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.checkpoints.domain.errors import ChangeRefused
from services.checkpoints.domain.scans import Checkpoint, Stage

Timeline = tuple[Checkpoint, ...]
"""The versions of one checkpoint, by the moment from which each holds; the first holds since ever."""

SUCCESSORS_MAX = 16
"""Mergers in a row, as many as a scan follows."""


class ChangeKind(StrEnum):
    """What can be ordered; `withdraw` takes back a change that does not hold yet."""

    OPEN = "open"
    MOVE = "move"
    CONVERT = "convert"
    MERGE = "merge"
    CLOSE = "close"
    WITHDRAW = "withdraw"


STAGES: Mapping[Stage, Mapping[ChangeKind, Stage]] = {
    Stage.PLANNED: {
        ChangeKind.OPEN: Stage.OPEN,
        ChangeKind.MOVE: Stage.PLANNED,
        ChangeKind.CONVERT: Stage.PLANNED,
        ChangeKind.CLOSE: Stage.CLOSED,
    },
    Stage.OPEN: {
        ChangeKind.MOVE: Stage.OPEN,
        ChangeKind.CONVERT: Stage.OPEN,
        ChangeKind.MERGE: Stage.MERGED,
        ChangeKind.CLOSE: Stage.CLOSED,
    },
    Stage.CLOSED: {
        ChangeKind.OPEN: Stage.OPEN,
        ChangeKind.MOVE: Stage.CLOSED,
        ChangeKind.CONVERT: Stage.CLOSED,
        ChangeKind.MERGE: Stage.MERGED,
    },
    Stage.MERGED: {},
}


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a checkpoint's history; what is None stays as it was. `number` counts from 1, the registration."""

    number: int
    change: ChangeKind
    holds_from: datetime
    ordered_by: str
    ordered_at: datetime
    reason: str
    kind: str | None = None
    name: str | None = None
    venue: str | None = None
    area: str | None = None
    successor: UUID | None = None
    withdraws: int | None = None


def timeline_of(registered: Checkpoint, changes: Iterable[Change]) -> Timeline:
    """The versions that the changes make of a checkpoint. Raises `ChangeRefused` where a stage does not allow one."""
    ordered = list(changes)
    withdrawn = {change.withdraws for change in ordered}
    lasting = [each for each in ordered if each.change is not ChangeKind.WITHDRAW and each.number not in withdrawn]
    versions = [registered]
    for change in sorted(lasting, key=lambda each: (each.holds_from, each.number)):
        version = _changed(versions[-1], change)
        if version.holds_from == versions[-1].holds_from:
            versions.pop()
        versions.append(version)
    return tuple(versions)


def _changed(before: Checkpoint, change: Change) -> Checkpoint:
    stage = STAGES[before.stage].get(change.change)
    if stage is None:
        raise ChangeRefused(change.change, before.stage, STAGES[before.stage])
    return replace(
        before,
        stage=stage,
        holds_from=max(change.holds_from, before.holds_from),
        kind=change.kind or before.kind,
        name=change.name or before.name,
        venue=before.venue if change.venue is None else change.venue,
        area=change.area or before.area,
        successor=change.successor,
    )


def version_of(columns: Sequence[Any]) -> Checkpoint:
    """A version from its columns, in the order of the fields of `Checkpoint`."""
    return replace(Checkpoint(*columns), stage=Stage(columns[7]))


def holding(versions: Timeline, at: datetime) -> Checkpoint:
    """The version that holds at a moment."""
    held = versions[0]
    for version in versions:
        if version.holds_from > at:
            break
        held = version
    return held


def way_of(checkpoint_id: UUID, held: Mapping[UUID, Checkpoint]) -> tuple[Checkpoint, ...]:
    """A checkpoint, and one after the other those that it was merged into; the last takes what comes to any of them.

    `held` are the versions of one moment.
    """
    return way_from(held[checkpoint_id], held.get)


def way_from(checkpoint: Checkpoint, find: Callable[[UUID], Checkpoint | None]) -> tuple[Checkpoint, ...]:
    """The same, where each successor is looked up; it ends before one that is not found."""
    way = [checkpoint]
    for _ in range(SUCCESSORS_MAX):
        successor = None if way[-1].successor is None else find(way[-1].successor)
        if successor is None:
            break
        way.append(successor)
    return tuple(way)


def next_after(versions: Timeline, at: datetime) -> datetime | None:
    """When the checkpoint changes next; None where nothing is ordered."""
    return next((version.holds_from for version in versions if version.holds_from > at), None)


def require_withdrawable(changes: Sequence[Change], number: int, now: datetime) -> None:
    """Raises `ChangeRefused` unless the change is one that was ordered for later and still stands."""
    withdrawn = {change.withdraws for change in changes}
    for change in changes:
        if change.number == number and change.holds_from > now and number not in withdrawn:
            return
    raise ChangeRefused(detail=f"Change {number} is none that is ordered for later.")
