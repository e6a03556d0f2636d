"""How full a venue is: who went in, was not stopped, and has not gone out since, by the city's day.

A person is inside by the last movement that is known, in the order in which they were made and not in which they were
learnt: a gate without a network tells hours later. So each movement is counted by what stands beside it in time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.checkpoints.domain.facts import ScanFact


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue with a capacity; `full_on` is the day of which it was last told full, while it is."""

    venue: str
    capacity: int
    full_on: date | None
    revision: int


@dataclass(frozen=True, slots=True)
class Occupancy:
    """`entered` and `departed` count crossings of people who are known; `strangers` are inside, unknown to anybody."""

    venue: str
    day: date
    entered: int
    departed: int
    strangers: int = 0

    @property
    def inside(self) -> int:
        return max(0, self.entered - self.departed) + self.strangers


def counts(scan: ScanFact) -> bool:
    """Whether a scan moves somebody: a person, at a gate that told the direction, and not one kept outside.

    What the gate did counts: where it had no network, what it decided alone.
    The record of a vehicle without its driver is nobody; its people have records of their own. A repeat is nobody else.
    The holder of a pass who is not known yet is counted once known, in the scan's completion.
    """
    is_vehicle_alone = scan.vehicle_ref is not None and scan.person_ref is None and not scan.list
    if scan.is_self_reported or is_vehicle_alone or scan.repeat_of is not None:
        return False
    is_awaited = scan.person_ref is None and bool(scan.list)
    if is_awaited or (scan.person_ref is None and scan.revision != 1):
        return False
    return scan.direction == "out" or (scan.direction == "in" and (scan.offline_decision or scan.decision) != "stop")


class Movement(NamedTuple):
    """A person's way in or out of a venue; `recorded_at` is when it was learnt of."""

    person_ref: UUID
    venue: str
    at: datetime
    scan_id: UUID
    recorded_at: datetime
    is_in: bool


Beside = tuple[Movement, bool | None, bool | None]
"""A movement, and which way the person went before and after it, where that is known."""


def beside(movements: Sequence[Movement], others: Sequence[Movement]) -> Iterator[Beside]:
    """Each movement with its neighbours in time among those recorded before it; `others` are known besides.

    So each is counted once with each neighbour, in whichever order they are learnt of.
    """
    of_one: dict[tuple[UUID, str], list[Movement]] = defaultdict(list)
    for each in (*movements, *others):
        of_one[each.person_ref, each.venue].append(each)
    for movement in movements:
        known = of_one[movement.person_ref, movement.venue]
        if len(known) == 1:
            yield movement, None, None
            continue
        learnt, place = (movement.recorded_at, movement.scan_id), _place(movement)
        earlier = [each for each in known if (each.recorded_at, each.scan_id) < learnt]
        before = max((each for each in earlier if _place(each) < place), key=_place, default=None)
        after = min((each for each in earlier if _place(each) > place), key=_place, default=None)
        yield movement, before and before.is_in, after and after.is_in


def _place(of: Movement) -> tuple[datetime, UUID]:
    return of.at, of.scan_id


def crossings(before: bool | None, is_in: bool, after: bool | None) -> tuple[int, int]:
    """By how much one more movement of a person raises (entered, departed), whenever it is learnt of.

    `before` and `after` are the movements next to it in time, that are known already: in (True), out (False), or none.
    Who comes in twice is inside once, and who goes out without having come in takes nobody along.
    """
    ways = [(before, is_in), (is_in, after)]
    entered = sum(_enters(*way) for way in ways) - _enters(before, after)
    departed = sum(_departs(*way) for way in ways) - _departs(before, after)
    return entered, departed


def _enters(before: bool | None, now: bool | None) -> int:
    return int(now is True and before is not True)


def _departs(before: bool | None, now: bool | None) -> int:
    return int(now is False and before is True)


def strangers_after(moves: Sequence[bool]) -> tuple[int, int]:
    """(net, at least) of strangers who went in (True) and out one after the other: never fewer than none are inside.

    With so many inside before, as many are afterwards as the larger of `before + net` and `at least`.
    """
    net = lowest = 0
    for is_in in moves:
        net += 1 if is_in else -1
        lowest = min(lowest, net)
    return net, net - lowest
