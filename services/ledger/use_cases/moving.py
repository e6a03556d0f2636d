"""Move an entry to another stage by order of an official, with everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ledger.domain.checks import check_order
from services.ledger.domain.city import City
from services.ledger.domain.definition import Definition, Move, Occurrence, Stage
from services.ledger.domain.entries import Entry, move_entry, take_back
from services.ledger.domain.errors import EntryNotFound, MoveRefused, RoleRefused, VersionStale
from services.ledger.domain.facts import check_facts
from services.ledger.use_cases.book import Answer, Book
from services.ledger.use_cases.colours import isolate_the_left
from services.ledger.use_cases.handing_over import hand_over_by_order
from services.ledger.use_cases.keeping import Actor, Moved, keep_moves
from services.ledger.use_cases.letting_go import Contact, contact_before, contact_left, keep_contact_left, refute_case
from services.ledger.use_cases.moving_by_occurrence import moved_by
from services.ledger.use_cases.opening import answer_of


@dataclass(frozen=True, slots=True)
class MoveOrder:
    entry_id: UUID
    move: str
    facts: Mapping[str, object]
    expected_version: int


def move_by_order(book: Book, city: City, order: MoveOrder, by: Actor, now: datetime) -> Answer:
    """Raises EntryNotFound, VersionStale, MoveRefused, RoleRefused, InvalidRequest."""
    entry = _locked(book, city, order, now)
    if entry.version != order.expected_version:
        raise VersionStale(order.expected_version, entry.version)
    definition = city.definition_of(entry, now)
    stage = definition.stages[entry.stage]
    if order.move in stage.corrections:
        return answer_of(_correct(book, city, entry, definition, order, by, now))
    move = stage.moves.get(order.move)
    if move is None or not move.roles:
        raise MoveRefused(order.move, entry.stage, stage.orders)
    if move.roles.isdisjoint(by.roles):
        raise RoleRefused(move.roles)
    _check_colour(book, entry, order.move, move)
    facts = check_facts(move.facts, order.facts, now)
    check_order(definition.checks, {**entry.facts, **facts}, facts)
    moved = Moved(entry, move_entry(entry, definition, order.move, facts, now, now), order.move, facts)
    return answer_of(_kept(book, city, definition, move, moved, by, now))


def _locked(book: Book, city: City, order: MoveOrder, now: datetime) -> Entry:
    """The entry with its person locked, and whom the case met where the move refutes it."""
    entry = book.entry(order.entry_id)
    if entry is None:
        raise EntryNotFound
    persons = {entry.person_ref}
    definition = city.definition_of(entry, now)
    move = definition.stages[entry.stage].moves.get(order.move)
    if move is not None and _refutes(definition, move):
        persons |= book.persons_met_by(entry.entry_id)
    book.lock_persons(persons)
    locked = book.lock_entry(order.entry_id)
    assert locked is not None
    return locked


def _refutes(definition: Definition, move: Move) -> bool:
    return definition.trace is not None and definition.stages[move.to].is_void


def _check_colour(book: Book, entry: Entry, name: str, move: Move) -> None:
    if not move.only_in:
        return
    colour = book.colours_of([entry.person_ref]).get(entry.person_ref)
    if colour is not None and colour.colour not in move.only_in:
        because = (
            f"The person's code is {colour.colour}, so {name} would leave a coloured person with nobody. First end "
            "what colours them: codes names the reasons and when they lift. This entry then closes by itself."
        )
        raise MoveRefused(name, entry.stage, (), because=because)


def _kept(book: Book, city: City, definition: Definition, move: Move, moved: Moved, by: Actor, now: datetime) -> Entry:
    stage = definition.stages[move.to]
    if move.opens is not None:
        return hand_over_by_order(book, city, moved, move.opens, by, now)
    if _refutes(definition, move):
        after = refute_case(book, city, moved, by, now)
    elif stage.is_final and not stage.bars and (left := _contact_left(book, city, stage, moved, now)):
        after = keep_contact_left(book, city, moved, left, by, now)
    else:
        keep_moves(book, city, [moved], by, now)
        after = moved.after
    if stage.bars:
        _close_the_rest(book, city, after, by, now)
    elif not after.is_open and after.succeeded_by is None:
        isolate_the_left(book, city, [after], by, now)
    return after


def _contact_left(book: Book, city: City, stage: Stage, moved: Moved, now: datetime) -> Contact | None:
    return contact_before(book, city, moved, now) if stage.is_void else contact_left(book, city, moved, now)


def _close_the_rest(book: Book, city: City, died: Entry, by: Actor, now: datetime) -> None:
    held = book.lock_open_entries_of([died.person_ref]).get(died.person_ref, [])
    closing = [moved_by(city, entry, Occurrence.PERSON_DIED, since=now, now=now) for entry in held]
    keep_moves(book, city, [moved for moved in closing if moved is not None], by, now)


def _correct(
    book: Book, city: City, entry: Entry, definition: Definition, order: MoveOrder, by: Actor, now: datetime
) -> Entry:
    correction = definition.stages[entry.stage].corrections[order.move]
    if correction.roles.isdisjoint(by.roles):
        raise RoleRefused(correction.roles)
    facts = check_facts(correction.facts, order.facts, now)
    mistaken, before = book.steps_back(entry)
    assert before.entry.next_deadline is not None
    stood = before.entry.stage, before.entry.next_deadline
    corrected = take_back(entry, stood, mistaken.facts, facts)
    keep_moves(book, city, [Moved(entry, corrected, order.move, facts)], by, now)
    return corrected
