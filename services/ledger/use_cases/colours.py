"""Follow the colours: whoever turns yellow or red without an entry gets one, and another colour closes what it opened.

The last colour of each person is remembered, so that no closing leaves a coloured person with nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from chassis.ids import uuid7
from services.ledger.domain.city import City
from services.ledger.domain.colours import ISOLATING, OCCURRENCES, Colour, ColourChange, waves
from services.ledger.domain.entries import Cause, Entry, open_entry
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.handing_over import open_entries
from services.ledger.use_cases.keeping import Actor
from services.ledger.use_cases.moving_by_occurrence import move_by_occurrence

_NOTHING: frozenset[str] = frozenset()


def follow_colours(book: Book, city: City, changes: Sequence[ColourChange], by: Actor, now: datetime) -> None:
    """Changes in order. A contact's entry is opened before the evidence that colours them, so it is found here.

    A colour that rests on nothing but evidence that the ledger has ended since is on its way out, and opens nothing.
    """
    book.remember_areas({change.person_ref: change.area for change in changes if change.area})
    book.remember_colours(changes)
    for wave in waves([change for change in changes if change.colour in OCCURRENCES]):
        held = book.lock_open_entries_of([change.person_ref for change in wave])
        isolating = [each for each in wave if each.colour in ISOLATING and not held.get(each.person_ref)]
        ended = book.ended_evidence_of([change.person_ref for change in isolating])
        openings = []
        for change in isolating:
            colour = Colour(change.colour, change.reasons).without(ended.get(change.person_ref, _NOTHING))
            if colour is not None:
                cause = Cause(event_id=change.event_id)
                openings.append(
                    _opening(city, change.person_ref, colour, change.area, min(change.since, now), cause, now)
                )
        open_entries(book, city, [opening for opening in openings if opening], by, now)
        for change in wave:
            for entry in held.get(change.person_ref, ()):
                occurrence = OCCURRENCES[change.colour]
                move_by_occurrence(book, city, entry, occurrence, by, since=min(change.since, now), now=now)


def isolate_the_left(book: Book, city: City, closed: Sequence[Entry], by: Actor, now: datetime) -> list[Entry]:
    """Open isolation for people whose last open entry was closed just now and who stay coloured by something else."""
    persons = {entry.person_ref: entry for entry in closed}
    held = book.open_entries_of(persons)
    colours = book.colours_of([person for person in persons if not held.get(person)])
    ended = book.ended_evidence_of(colours)
    areas = book.areas_of(colours)
    openings = []
    for person, colour in sorted(colours.items()):
        if (left := colour.without(ended.get(person, _NOTHING))) is not None:
            area = areas.get(person) or persons[person].area
            openings.append(_opening(city, person, left, area, now, Cause(persons[person].entry_id), now))
    return open_entries(book, city, [opening for opening in openings if opening], by, now)


def isolating_colours(book: Book, persons: Collection[UUID]) -> dict[UUID, str]:
    """The colours that isolate, as codes told them last."""
    return {person: colour.colour for person, colour in book.colours_of(persons).items()}


def _opening(
    city: City, person: UUID, colour: str, told_area: str, opened_at: datetime, cause: Cause, now: datetime
) -> Entry | None:
    occurrence = OCCURRENCES[colour]
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
        facts={"colour": colour},
        opened_at=opened_at,
        stage=definition.opens_on[occurrence],
        cause=cause,
    )
