"""Follow the colours: whoever turns yellow or red without an entry gets one, and another colour closes what it opened.

The last colour of each person is remembered, so that no closing leaves a coloured person with nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.ids import uuid7
from services.ledger.domain.city import City
from services.ledger.domain.colours import ISOLATING, NOTHING, OCCURRENCES, Colour, ColourChange, waves
from services.ledger.domain.definition import LIFTS_AT
from services.ledger.domain.entries import Cause, Entry, move_entry, open_entry, renew_entry
from services.ledger.domain.facts import Fact
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.handing_over import open_entries
from services.ledger.use_cases.keeping import RENEW, Actor, Moved, keep_moves

_TOLD = frozenset({"colour", LIFTS_AT})


def follow_colours(book: Book, city: City, changes: Sequence[ColourChange], by: Actor, now: datetime) -> None:
    """Changes in order. A contact's entry is opened before the evidence that colours them, so it is found here.

    A colour that rests on nothing but evidence that the ledger has ended since is on its way out, and opens nothing.
    """
    book.remember_areas({change.person_ref: change.area for change in changes if change.area})
    book.remember_colours(changes)
    for wave in waves([change for change in changes if change.colour in OCCURRENCES]):
        held = book.lock_open_entries_of([change.person_ref for change in wave])
        isolating = [change.person_ref for change in wave if change.colour in ISOLATING]
        ended = book.ended_evidence_of(isolating)
        openings = []
        for change in wave:
            left = _left(change, ended)
            if left is not None and not held.get(change.person_ref):
                since, cause = min(change.since, now), Cause(event_id=change.event_id)
                openings.append(_opening(city, change.person_ref, left, change.area, since, cause, now))
        open_entries(book, city, [opening for opening in openings if opening], by, now)
        moves = [
            moved
            for change in wave
            for entry in held.get(change.person_ref, ())
            if (moved := _followed(city, entry, change, ended, now)) is not None
        ]
        keep_moves(book, city, moves, by, now)


@dataclass(frozen=True, slots=True)
class _Isolating:
    """The colour that isolates, and when time alone lifts it."""

    colour: str
    lifts_at: datetime | None

    @property
    def facts(self) -> dict[str, Fact]:
        dated: dict[str, Fact] = {} if self.lifts_at is None else {LIFTS_AT: self.lifts_at.isoformat()}
        return {"colour": self.colour, **dated}


def _left(told: ColourChange, ended: Mapping[UUID, frozenset[str]]) -> _Isolating | None:
    return _isolating(Colour(told.colour, told.reasons), ended.get(told.person_ref, NOTHING))


def _isolating(colour: Colour, ended: frozenset[str]) -> _Isolating | None:
    left = colour.without(ended)
    return None if left is None else _Isolating(left, colour.lifts_at(ended))


def _followed(
    city: City, entry: Entry, change: ColourChange, ended: Mapping[UUID, frozenset[str]], now: datetime
) -> Moved | None:
    """The entry's move upon the colour, or its renewal where the colour is the same and lifts at another time."""
    definition, left = city.definition_of(entry, now), _left(change, ended)
    facts = left.facts if left is not None and definition.is_of_colours else {}
    unknown = _TOLD - facts.keys() if facts else ()
    move = definition.stages[entry.stage].move_upon(OCCURRENCES[change.colour])
    if move is not None:
        since = min(change.since, now)
        after = move_entry(entry, definition, move, facts, since, now, unknown=unknown)
        return Moved(entry, after, move, facts)
    if not facts or facts.get(LIFTS_AT) == entry.facts.get(LIFTS_AT):
        return None
    return Moved(entry, renew_entry(entry, definition, facts, unknown=unknown), RENEW, facts)


def isolate_the_left(book: Book, city: City, closed: Sequence[Entry], by: Actor, now: datetime) -> list[Entry]:
    """Open isolation for people whose last open entry was closed just now and who stay coloured by something else."""
    persons = {entry.person_ref: entry for entry in closed}
    held = book.open_entries_of(persons)
    colours = book.colours_of([person for person in persons if not held.get(person)])
    ended = book.ended_evidence_of(colours)
    areas = book.areas_of(colours)
    openings = []
    for person, colour in sorted(colours.items()):
        if (left := _isolating(colour, ended.get(person, NOTHING))) is not None:
            area = areas.get(person) or persons[person].area
            openings.append(_opening(city, person, left, area, now, Cause(persons[person].entry_id), now))
    return open_entries(book, city, [opening for opening in openings if opening], by, now)


def isolating_colours(book: Book, persons: Collection[UUID]) -> dict[UUID, str]:
    """The colours that isolate, as codes told them last."""
    return {person: colour.colour for person, colour in book.colours_of(persons).items()}


def _opening(
    city: City, person: UUID, left: _Isolating, told_area: str, opened_at: datetime, cause: Cause, now: datetime
) -> Entry | None:
    occurrence = OCCURRENCES[left.colour]
    definition = city.ledgers.opened_by(occurrence, now)
    if definition is None:
        return None
    area = city.areas.nearest(told_area)
    return open_entry(
        definition,
        entry_id=uuid7(now),
        person_ref=person,
        area=area,
        owner=city.owner(definition, area),
        facts=left.facts,
        opened_at=opened_at,
        stage=definition.opens_on[occurrence],
        cause=cause,
    )
