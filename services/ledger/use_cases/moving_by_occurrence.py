"""Move entries because something happened, and tell facts of them better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.ledger.domain.city import City
from services.ledger.domain.definition import Occurrence
from services.ledger.domain.entries import Entry, move_entry, renew_entry
from services.ledger.domain.facts import Fact
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.keeping import RENEW, Actor, Moved, keep_moves


def moved_by(
    city: City,
    entry: Entry,
    occurrence: Occurrence,
    *,
    since: datetime,
    now: datetime,
    facts: Mapping[str, Fact] | None = None,
) -> Moved | None:
    """The move that the occurrence makes at the entry's stage, not kept yet; None where it makes none."""
    definition = city.definition_of(entry, now)
    move = definition.stages[entry.stage].move_upon(occurrence)
    if move is None:
        return None
    return Moved(entry, move_entry(entry, definition, move, facts or {}, since, now), move, facts or {})


def renew(
    book: Book, city: City, renewed: Sequence[tuple[Entry, Mapping[str, Fact]]], by: Actor, now: datetime
) -> list[Entry]:
    """Open, locked entries after facts of theirs are known better, such as a later `met_at`; facts are in normal form.

    Each gets a line in its history and in the journal; its deadline follows the facts that it counts from, and evidence
    that they date is told again with its new date. Any number at once.
    """
    moves = [
        Moved(entry, renew_entry(entry, city.definition_of(entry, now), facts), RENEW, facts)
        for entry, facts in renewed
    ]
    keep_moves(book, city, moves, by, now)
    return [move.after for move in moves]
