"""Follow the colours: whoever turns yellow or red without an entry gets one, and green closes what a colour opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chassis.ids import uuid7
from services.ledger.domain.city import City
from services.ledger.domain.colours import OCCURRENCES, ColourChange, waves
from services.ledger.domain.entries import Cause, Entry, open_entry
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.keeping import Actor, keep_openings
from services.ledger.use_cases.moving import move_by_occurrence


def follow_colours(book: Book, city: City, changes: Sequence[ColourChange], by: Actor, now: datetime) -> None:
    """Changes in order. A contact's entry is opened before the evidence that colours them, so it is found here."""
    book.remember_areas({change.person_ref: change.area for change in changes if change.area})
    for wave in waves([change for change in changes if change.colour in OCCURRENCES]):
        held = book.lock_open_entries_of([change.person_ref for change in wave])
        unheld = [change for change in wave if not held.get(change.person_ref)]
        keep_openings(book, city, list(filter(None, (_opening(city, each, now) for each in unheld))), by, now)
        for change in wave:
            for entry in held.get(change.person_ref, ()):
                _follow(book, city, entry, change, by, now)


def _opening(city: City, change: ColourChange, now: datetime) -> Entry | None:
    occurrence = OCCURRENCES[change.colour]
    definition = city.ledgers.opened_by(occurrence, now)
    if definition is None:
        return None
    area = city.areas.nearest(change.area)
    return open_entry(
        definition,
        entry_id=uuid7(now),
        person_ref=change.person_ref,
        area=area,
        owner=city.owner(definition, area),
        facts={"colour": change.colour},
        opened_at=min(change.since, now),
        stage=definition.opens_on[occurrence],
        cause=Cause(event_id=change.event_id),
    )


def _follow(book: Book, city: City, entry: Entry, change: ColourChange, by: Actor, now: datetime) -> None:
    occurrence = OCCURRENCES[change.colour]
    move_by_occurrence(book, city, entry, occurrence, by, since=min(change.since, now), now=now)
