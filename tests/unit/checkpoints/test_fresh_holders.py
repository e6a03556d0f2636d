"""The holder of a new entry is known before the table has them, and not for ever."""

from __future__ import annotations

from uuid import UUID, uuid4

from services.checkpoints.board import StandingsChange
from services.checkpoints.domain.scans import Entry
from services.checkpoints.fresh_holders import FreshHolders


def change(*people: UUID, first: int, number: int = 1) -> StandingsChange:
    idx = tuple(range(first, first + len(people)))
    return StandingsChange(number, 1, idx, bytes(len(people)), b"".join(each.bytes for each in people))


def test_the_holder_of_an_entry_is_known_from_its_last_change() -> None:
    fresh, (first, second, third) = FreshHolders(), (uuid4() for _ in range(3))
    fresh.put(change(first, second, first=7))
    fresh.put(change(third, first=8, number=2))
    assert [fresh.get(Entry(1, 7)), fresh.get(Entry(1, 8)), fresh.get(Entry(2, 8))] == [first, second, third]
    assert fresh.get(Entry(2, 7)) is None


def test_only_the_last_ones_are_remembered() -> None:
    fresh = FreshHolders(entries_max=10)
    for idx in range(40):
        fresh.put(change(uuid4(), first=idx))
    known = [idx for idx in range(40) if fresh.get(Entry(1, idx)) is not None]
    assert known == list(range(20, 40))
