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
    "lapsed": Occurrence.COLOUR_LAPSED,
}
"""Lapsed opens nothing: whoever let a declaration run out is nobody's case. It ends what yellow or red had opened."""
ISOLATING = ("yellow", "red")
"""From the weaker to the stronger."""
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule's colour and the evidence behind it, as codes names it."""

    colour: str
    evidence: frozenset[str]
    ends_at: datetime | None = None
    """When time alone ends it; None where time does not."""


@dataclass(frozen=True, slots=True)
class ColourChange:
    """`area` is the residence, empty where unknown; `reasons` are empty where codes told none."""

    event_id: UUID
    person_ref: UUID
    colour: str
    since: datetime
    area: str
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Colour:
    """The colour of a person that codes told last."""

    colour: str
    reasons: tuple[Reason, ...] = ()

    def without(self, ended: frozenset[str]) -> str | None:
        """The isolating colour that is left once this evidence is over; None where none is. A colour without reasons is
        left."""
        if not self.reasons:
            return self.colour if self.colour in ISOLATING else None
        return max((each.colour for each in self._isolating(ended)), key=ISOLATING.index, default=None)

    def lifts_at(self, ended: frozenset[str] = NOTHING) -> datetime | None:
        """When time alone leaves no isolating colour; None where time does not, or codes told none."""
        ends = [each.ends_at for each in self._isolating(ended)]
        return max((end for end in ends if end is not None), default=None) if None not in ends else None

    def _isolating(self, ended: frozenset[str]) -> list[Reason]:
        return [
            each for each in self.reasons if each.colour in ISOLATING and not (each.evidence and each.evidence <= ended)
        ]


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
