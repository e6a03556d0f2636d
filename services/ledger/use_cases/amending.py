"""Bring what was written under an amended definition to what the amendment says, in the open: a step and a record each.

Moves follow the amendment by themselves (D20). A deadline that was computed by the mistake would stand until the next
move, and a death that was recorded before codes could be told of it would leave the pass green.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.ledger.domain.city import City
from services.ledger.domain.entries import Entry, renew_entry
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.keeping import Actor, Moved, keep_moves

AMEND = "amend"
"""The move of a step by which an entry follows an amendment."""
FIRST = UUID(int=0)


def follow_amendments(
    book: Book, city: City, after: UUID, by: Actor, now: datetime, entries_max: int = 500
) -> UUID | None:
    """Look at the next entries that were opened under amended versions; the last of them, None where there are no more.

    What agrees already is left alone, so that to look again costs no more than to look.
    """
    found = book.entries_under(city.ledgers.amended(now), city.ledgers.barring_stages(now), after, entries_max)
    if not found:
        return None
    book.lock_persons({entry.person_ref for entry in found})
    moves = []
    for entry in book.lock_entries([entry.entry_id for entry in found]):
        amended = _amended(city, entry, now)
        if amended is not None:
            moves.append(Moved(entry, amended, AMEND, {}))
    keep_moves(book, city, moves, by, now)
    return found[-1].entry_id


def _amended(city: City, entry: Entry, now: datetime) -> Entry | None:
    """None where nothing of the entry changes."""
    if not entry.is_open:
        return replace(entry, version=entry.version + 1)
    renewed = renew_entry(entry, city.definition_of(entry, now), {})
    return renewed if (renewed.next_deadline, renewed.ends_at) != (entry.next_deadline, entry.ends_at) else None
