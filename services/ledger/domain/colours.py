"""Colours as the ledger hears of them: a colour opens work, and green lets it go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ledger.domain.definition import Occurrence

OCCURRENCES = {
    "green": Occurrence.COLOUR_GREEN,
    "yellow": Occurrence.COLOUR_YELLOW,
    "red": Occurrence.COLOUR_RED,
}
"""Lapsed is missing: whoever let a declaration run out is nobody's case."""


@dataclass(frozen=True, slots=True)
class ColourChange:
    """`area` is the residence, empty where unknown."""

    event_id: UUID
    person_ref: UUID
    colour: str
    since: datetime
    area: str


def waves(changes: Sequence[ColourChange]) -> Iterator[list[ColourChange]]:
    """The changes in runs that hold each person once, so that a run can be looked up at once and order is kept."""
    wave: dict[UUID, ColourChange] = {}
    for change in changes:
        if change.person_ref in wave:
            yield list(wave.values())
            wave = {}
        wave[change.person_ref] = change
    if wave:
        yield list(wave.values())
