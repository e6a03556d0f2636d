"""Registers checkpoints, and takes the orders that change them; what was ordered comes to hold at its set time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from city.areas import AreaTree
from services.checkpoints.domain.errors import (
    AreaUnknown,
    ChangeRefused,
    CheckpointNotFound,
    CheckpointRegisteredOtherwise,
    RevisionStale,
    VenueRefused,
)
from services.checkpoints.domain.events import CheckpointChangeOrdered, CheckpointRegistered
from services.checkpoints.domain.life import (
    SUCCESSORS_MAX,
    Change,
    ChangeKind,
    Timeline,
    holding,
    next_after,
    require_withdrawable,
    timeline_of,
)
from services.checkpoints.domain.scans import Checkpoint, Stage
from services.checkpoints.store import lives, places, venues
from services.checkpoints.trace import Tell
from services.checkpoints.venue_codes import venue_code

DUE_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class ChangeOrder:
    """`expected_revision` is the one that whoever orders has seen."""

    checkpoint_id: UUID
    change: ChangeKind
    expected_revision: int
    holds_from: datetime
    reason: str
    kind: str | None = None
    name: str | None = None
    venue: str | None = None
    area: str | None = None
    successor: UUID | None = None
    withdraws: int | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """A place as somebody registers it; with `opens_at` it is planned until then."""

    checkpoint_id: UUID | None
    kind: str
    name: str
    venue: str
    area: str
    opens_at: datetime | None = None


class Places:
    def __init__(self, areas: AreaTree, city_key: bytes, tell: Tell) -> None:
        self._areas, self._city_key, self._tell = areas, city_key, tell

    # -- registering -------------------------------------------------------------------------------------------------

    def register_checkpoints(
        self,
        tx: Connection,
        given: Sequence[Registration],
        *,
        reaches: Callable[[str], bool],
        registered_by: str,
        now: datetime,
    ) -> list[tuple[Timeline, bool]]:
        """Of each: (its versions, whether it is new). Ids and areas are checked by then (`require_area`).

        Raises `CheckpointRegisteredOtherwise` with the position of the first such one and that checkpoint's area, and
        `VenueRefused` with a position; the transaction must not commit.
        """
        checkpoints = [self._registered(each) for each in given]
        if any(each.venue for each in checkpoints):
            venues.lock_joining(tx)
        added = places.add(tx, checkpoints, registered_by=registered_by)
        old = [each.checkpoint_id for each in checkpoints if each.checkpoint_id not in added]
        self._require_same(tx, checkpoints, given, old, now)
        joined = {checkpoint.venue for checkpoint in checkpoints if checkpoint.checkpoint_id in added}
        refused = _venues_elsewhere(tx, joined, now, reaches, besides=added)
        for position, checkpoint in enumerate(checkpoints):
            if checkpoint.venue in refused and checkpoint.checkpoint_id in added:
                raise VenueRefused(position)
        for checkpoint, each in zip(checkpoints, given, strict=True):
            if each.opens_at is not None and checkpoint.checkpoint_id in added:
                opening = Change(2, ChangeKind.OPEN, each.opens_at, registered_by, now, "opens as registered")
                versions = self._keep(tx, checkpoint, [], opening)
                lives.show(tx, holding(versions, now), next_after(versions, now))
        by_id = {each[0].checkpoint_id: each for each in lives.timelines(tx, [c.checkpoint_id for c in checkpoints])}
        new = [checkpoint.checkpoint_id for checkpoint in checkpoints if checkpoint.checkpoint_id in added]
        self._tell(tx, [CheckpointRegistered(holding(by_id[identifier], now)) for identifier in new])
        lives.let_be_read(tx, new)
        return [(by_id[c.checkpoint_id], c.checkpoint_id in added) for c in checkpoints]

    def _registered(self, given: Registration) -> Checkpoint:
        identifier = given.checkpoint_id or uuid4()
        stage = Stage.OPEN if given.opens_at is None else Stage.PLANNED
        code = venue_code(self._city_key, identifier)
        return Checkpoint(identifier, given.kind, given.name, given.venue, given.area, code, stage=stage)

    def _require_same(
        self,
        tx: Connection,
        checkpoints: Sequence[Checkpoint],
        given: Sequence[Registration],
        old: Sequence[UUID],
        now: datetime,
    ) -> None:
        """A repeat says what the first registration said, whatever was ordered since."""
        if not old:
            return
        firsts, changes, among = lives.registrations_of(tx, old), lives.changes_of(tx, old), set(old)
        for position, (checkpoint, registration) in enumerate(zip(checkpoints, given, strict=True)):
            identifier = checkpoint.checkpoint_id
            if identifier not in among:
                continue
            first = firsts[identifier]
            said = (checkpoint.kind, checkpoint.name, checkpoint.venue, checkpoint.area)
            opened = changes[identifier][0].holds_from if first["change"] == lives.PLANNED else None
            if (first["kind"], first["name"], first["venue"], first["area"]) != said or opened != registration.opens_at:
                raise CheckpointRegisteredOtherwise(position, find_checkpoint(tx, identifier, now).area)

    def require_area(self, area: str) -> None:
        """Raises `AreaUnknown`."""
        if not self._areas.has(area):
            raise AreaUnknown()

    # -- changing ----------------------------------------------------------------------------------------------------

    def lock(self, tx: Connection, orders: Sequence[ChangeOrder]) -> dict[UUID, int]:
        """Lock what the orders touch, successors too, in one order for everybody; the revision of each."""
        ids = {order.checkpoint_id for order in orders}
        successors = {order.successor for order in orders if order.successor is not None}
        if successors:
            lives.lock_mergers(tx)
        if any(order.venue for order in orders):
            venues.lock_joining(tx)
        return lives.lock(tx, ids | successors)

    def order_change(
        self,
        tx: Connection,
        order: ChangeOrder,
        revisions: dict[UUID, int],
        *,
        require_area: Callable[[str], None],
        reaches: Callable[[str], bool],
        ordered_by: str,
        now: datetime,
    ) -> tuple[Timeline, Change]:
        """The versions as ordered, and the change with its number; `revisions` are those of `lock`.

        Raises `CheckpointNotFound`, `RevisionStale`, `ChangeRefused`, `AreaUnknown`, `VenueRefused`, and what
        `require_area` raises.
        """
        identifier = order.checkpoint_id
        if identifier not in revisions:
            raise CheckpointNotFound()
        before = lives.timelines(tx, [identifier])[0]
        changes = lives.changes_of(tx, [identifier])[identifier]
        holds_from = now if order.change is ChangeKind.WITHDRAW else order.holds_from
        for at in (now, holds_from):
            require_area(holding(before, at).area)
        if revisions[identifier] != order.expected_revision:
            raise RevisionStale(order.expected_revision, revisions[identifier])
        if order.area is not None:
            self.require_area(order.area)
            require_area(order.area)
        if order.venue and _venues_elsewhere(tx, {order.venue}, now, reaches):
            raise VenueRefused()
        if order.change is ChangeKind.WITHDRAW:
            require_withdrawable(changes, order.withdraws or 0, now)
        if order.successor is not None:
            self._require_successor(tx, order, revisions, require_area, now)
        change = Change(
            number=len(changes) + 2,
            change=order.change,
            holds_from=holds_from,
            ordered_by=ordered_by,
            ordered_at=now,
            reason=order.reason,
            kind=order.kind,
            name=order.name,
            venue=order.venue,
            area=order.area,
            successor=order.successor,
            withdraws=order.withdraws,
        )
        versions = self._keep(tx, before[0], changes, change)
        self._show(tx, versions, change, revisions[identifier] + 1, now)
        return tuple(replace(version, revision=revisions[identifier] + 1) for version in versions), change

    def _keep(self, tx: Connection, registered: Checkpoint, changes: list[Change], change: Change) -> Timeline:
        versions = timeline_of(registered, [*changes, change])
        lives.add_change(tx, registered.checkpoint_id, change)
        lives.replace_versions(tx, versions)
        return versions

    def _show(self, tx: Connection, versions: Timeline, change: Change, revision: int, now: datetime) -> None:
        """What holds now is told as such; what will hold is told as ordered."""
        shown = replace(holding(versions, now), revision=revision)
        lives.show(tx, shown, next_after(versions, now))
        if change.holds_from <= now and change.change is not ChangeKind.WITHDRAW:
            self._tell(tx, [CheckpointRegistered(shown)])
        else:
            self._tell(tx, [CheckpointChangeOrdered(shown, change)])

    def _require_successor(
        self,
        tx: Connection,
        order: ChangeOrder,
        revisions: dict[UUID, int],
        require_area: Callable[[str], None],
        now: datetime,
    ) -> None:
        """A successor is registered, open at that moment, and never leads back here, whenever it is merged itself.

        Every gate of the merged checkpoint works there from then on, so it lies in the area of whoever orders it.
        """
        assert order.successor is not None
        if order.successor not in revisions:
            raise CheckpointNotFound("The checkpoint to merge into is not registered.")
        successor = lives.timelines(tx, [order.successor])[0]
        for at in (now, order.holds_from):
            require_area(holding(successor, at).area)
        reached, fresh = set[UUID](), {order.successor}
        while fresh:
            if order.checkpoint_id in fresh or len(reached) > SUCCESSORS_MAX:
                raise ChangeRefused(detail="These mergers would lead back to where they began, or too far.")
            reached |= fresh
            versions = [version for each in lives.timelines(tx, fresh) for version in each]
            fresh = {version.successor for version in versions if version.successor is not None} - reached
        if not holding(successor, order.holds_from).is_open:
            raise ChangeRefused(detail="The checkpoint to merge into is not open at that moment.")

    # -- coming to hold ----------------------------------------------------------------------------------------------

    def show_due(self, tx: Connection, now: datetime) -> int:
        """Let every checkpoint of which a change has come to hold show it, and tell so; how many."""
        revisions = lives.lock(tx, lives.lock_due(tx, now, DUE_AT_ONCE))
        for versions in lives.timelines(tx, revisions):
            shown = replace(holding(versions, now), revision=versions[0].revision + 1)
            lives.show(tx, shown, next_after(versions, now))
            self._tell(tx, [CheckpointRegistered(shown)])
        return len(revisions)


def _venues_elsewhere(
    tx: Connection,
    names: Collection[str],
    now: datetime,
    reaches: Callable[[str], bool],
    *,
    besides: Collection[UUID] = (),
) -> set[str]:
    """The venues at which other checkpoints stand, now or later, and none of these lies within reach.

    A venue is known by its name alone. Whoever could join one by name would read how full it is, and keep its own
    operator from saying how many it holds.
    """
    areas = venues.areas_from(tx, names, now, besides=besides)
    return {name for name, found in areas.items() if not any(reaches(area) for area in found)}


def find_way(tx: Connection, checkpoint_id: UUID, at: datetime) -> tuple[Checkpoint, ...]:
    """The checkpoint as it was at a moment, and those it was merged into by then, the taker last.

    Raises `CheckpointNotFound`.
    """
    way = lives.ways(tx, [checkpoint_id], at).get(checkpoint_id)
    if way is None:
        raise CheckpointNotFound()
    return way


def find_checkpoint(tx: Connection, checkpoint_id: UUID, at: datetime) -> Checkpoint:
    """The checkpoint as it was at a moment. Raises `CheckpointNotFound`."""
    checkpoint = lives.holding_at(tx, checkpoint_id, at)
    if checkpoint is None:
        raise CheckpointNotFound()
    return checkpoint
