"""Move an entry to another stage: by order of an official, or because something happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ledger.domain.city import City
from services.ledger.domain.definition import Occurrence
from services.ledger.domain.entries import Entry, move_entry, renew_entry
from services.ledger.domain.errors import EntryNotFound, MoveRefused, RoleRefused, VersionStale
from services.ledger.domain.facts import Fact, check_facts
from services.ledger.use_cases.book import Answer, Book
from services.ledger.use_cases.keeping import RENEW, Actor, Moved, keep_moves
from services.ledger.use_cases.opening import answer_of


@dataclass(frozen=True, slots=True)
class MoveOrder:
    entry_id: UUID
    move: str
    facts: Mapping[str, object]
    expected_version: int


def move_by_order(book: Book, city: City, order: MoveOrder, by: Actor, now: datetime) -> Answer:
    """Raises EntryNotFound, VersionStale, MoveRefused, RoleRefused, InvalidRequest."""
    entry = book.lock_entry(order.entry_id)
    if entry is None:
        raise EntryNotFound
    if entry.version != order.expected_version:
        raise VersionStale(order.expected_version, entry.version)
    definition = city.definition_of(entry, now)
    moves = definition.stages[entry.stage].moves
    move = moves.get(order.move)
    if move is None or not move.roles:
        raise MoveRefused(order.move, entry.stage, [name for name, each in moves.items() if each.roles])
    if move.roles.isdisjoint(by.roles):
        raise RoleRefused(move.roles)
    facts = check_facts(move.facts, order.facts, now)
    moved = move_entry(entry, definition, order.move, facts, now, now)
    keep_moves(book, city, [Moved(entry, moved, order.move, facts)], by, now)
    return answer_of(moved)


def move_by_occurrence(
    book: Book, city: City, entry: Entry, occurrence: Occurrence, by: Actor, *, since: datetime, now: datetime
) -> Entry | None:
    """A locked entry after the move that the occurrence makes at its stage; None where it makes none."""
    definition = city.definition_of(entry, now)
    move = definition.stages[entry.stage].move_upon(occurrence)
    if move is None:
        return None
    moved = move_entry(entry, definition, move, {}, since, now)
    keep_moves(book, city, [Moved(entry, moved, move, {})], by, now)
    return moved


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
