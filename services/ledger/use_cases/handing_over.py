"""Hand a person from one ledger to another: the entry that opens takes over what weaker ones held, without a gap.

The new entry and its evidence are kept and told first. The old entry closes after it in the same transaction, and its
evidence ends with the name of what follows on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from chassis.ids import uuid7
from services.ledger.domain.city import City
from services.ledger.domain.definition import Definition, Opens
from services.ledger.domain.entries import Cause, Entry, carried_facts, measure_end, move_entry, open_entry
from services.ledger.domain.errors import MoveRefused
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.keeping import Actor, Moved, keep_moves, keep_openings


def open_entries(
    book: Book,
    city: City,
    entries: Sequence[Entry],
    by: Actor,
    now: datetime,
    *,
    digests: Mapping[UUID, bytes] | None = None,
    leaving: Moved | None = None,
) -> list[Entry]:
    """Open what can be opened, and let weaker ledgers hand those people over; which entries were opened.

    The people are locked. Nothing is opened for the dead, and nothing whose measure is over already. An entry whose
    measure is over hands over to any other. `leaving` is the
    ordered move of a weaker entry that opens one of these.
    """
    barred = book.persons_at({entry.person_ref for entry in entries}, city.ledgers.barring_stages(now))
    wanted = [entry for entry in entries if entry.person_ref not in barred and not is_over(city, entry, now)]
    opened = keep_openings(book, city, wanted, by, now, digests)
    _hand_over(book, city, opened, leaving, by, now)
    return opened


def is_over(city: City, entry: Entry, now: datetime) -> bool:
    """Whether the ledger would hold the person for no time at all."""
    end = measure_end(city.definition_of(entry, now), entry.facts, entry.opened_at)
    return end is not None and end <= now


def holds(city: City, entry: Entry, definition: Definition, now: datetime) -> bool:
    """Whether an open entry keeps that ledger from opening one: it is as strong, and its measure is not over."""
    return city.strength(entry) >= definition.strength and not is_over(city, entry, now)


def hand_over_by_order(book: Book, city: City, moved: Moved, opens: Opens, by: Actor, now: datetime) -> Entry:
    """The closed entry, after the other one was opened; one that is open there already takes the person over.

    Raises `MoveRefused` where the other ledger's measure is over.
    """
    definition = city.ledgers.named(opens.ledger, now)
    opening = open_entry(
        definition,
        entry_id=uuid7(now),
        person_ref=moved.after.person_ref,
        area=moved.after.area,
        owner=city.owner(definition, moved.after.area),
        facts=carried_facts(opens, moved.after, now),
        opened_at=now,
        stage=opens.stage,
        cause=Cause(moved.before.entry_id),
    )
    if is_over(city, opening, now):
        over = f"The measure of the ledger {opens.ledger} is over already for what this entry knows."
        raise MoveRefused(moved.move, moved.before.stage, (), because=over)
    if open_entries(book, city, [opening], by, now, leaving=moved):
        return replace(moved.after, succeeded_by=opening.entry_id)
    held = book.open_entries_of([moved.after.person_ref])[moved.after.person_ref]
    there = next(entry for entry in held if entry.ledger == opens.ledger)
    keep_successions(book, city, [(moved, there)], by, now)
    return replace(moved.after, succeeded_by=there.entry_id)


def keep_successions(
    book: Book, city: City, successions: Sequence[tuple[Moved, Entry]], by: Actor, now: datetime
) -> None:
    """Keep closing moves, each with the entry that takes the person over and is kept already."""
    evidence = book.lasting_evidence_of([successor.entry_id for _, successor in successions])
    moves, successors = [], {}
    for moved, successor in successions:
        moves.append(replace(moved, after=replace(moved.after, succeeded_by=successor.entry_id)))
        if successor.entry_id in evidence:
            successors[moved.after.entry_id] = evidence[successor.entry_id].evidence_id
    keep_moves(book, city, moves, by, now, successors)


def _hand_over(
    book: Book, city: City, opened: Sequence[Entry], leaving: Moved | None, by: Actor, now: datetime
) -> None:
    held = book.lock_open_entries_of([entry.person_ref for entry in opened])
    successions = [
        (moved, successor)
        for successor in opened
        for entry in held.get(successor.person_ref, ())
        if entry.entry_id != successor.entry_id
        and (city.strength(entry) < city.strength(successor) or is_over(city, entry, now))
        and (moved := _leaving(city, entry, successor, leaving, now)) is not None
    ]
    keep_successions(book, city, successions, by, now)


def _leaving(city: City, entry: Entry, successor: Entry, leaving: Moved | None, now: datetime) -> Moved | None:
    """The ordered move, or the one by which this ledger hands over to that; None where the definition knows none."""
    if leaving is not None and leaving.before.entry_id == entry.entry_id:
        return leaving
    definition = city.definition_of(entry, now)
    move = definition.stages[entry.stage].move_into(successor.ledger)
    if move is None:
        return None
    return Moved(entry, move_entry(entry, definition, move, {}, now, now), move, {})
