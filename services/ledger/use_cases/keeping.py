"""How an opening or a move is kept: row, history, evidence, journal and what is told, together and in one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.ids import uuid7
from services.ledger.domain.city import City
from services.ledger.domain.contacts import Trace
from services.ledger.domain.entries import Entry
from services.ledger.domain.evidence import Evidence, dated_anew, ended, evidence_of, observed_at_of
from services.ledger.domain.facts import Fact, date_time_of
from services.ledger.domain.happenings import (
    EntryClosed,
    EntryMoved,
    EntryOpened,
    EvidenceFound,
    Happening,
    TraceRequested,
)
from services.ledger.domain.records import Record
from services.ledger.use_cases.book import Book, Step

OPEN = "open"
"""The move of an entry's first step."""
RENEW = "renew"
"""The move of a step that only tells facts better."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: the bearer's `sub` and roles, or the event or timer that did it.

    `pseudonym` stands for a person outside the ledger (docs/adr/0021); None for an event or a timer.
    """

    name: str
    roles: frozenset[str] = frozenset()
    pseudonym: UUID | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """An entry before and after one move, with the facts that the move told."""

    before: Entry
    after: Entry
    move: str
    facts: Mapping[str, Fact]


def keep_openings(
    book: Book,
    city: City,
    entries: Sequence[Entry],
    by: Actor,
    now: datetime,
    digests: Mapping[UUID, bytes] | None = None,
) -> list[Entry]:
    """Open what can be opened; which entries were (an open one in the same ledger stays the only one)."""
    if not entries:
        return []
    inserted = book.insert_entries(entries, digests or {})
    opened = [entry for entry in entries if entry.entry_id in inserted]
    book.add_steps([Step(entry, OPEN, None, entry.facts, by.name, now) for entry in opened])
    evidence = [found for entry in opened if (found := evidence_of(entry, city.definition_of(entry, now), now))]
    book.add_evidence(evidence, now)
    traces = [trace for entry in opened if (trace := _trace_of(entry, city, by, now))]
    for trace in traces:
        book.add_trace(trace)
    by_entry = {entry.entry_id: entry for entry in opened}
    book.tell(
        [
            *map(EntryOpened, opened),
            *(EvidenceFound(each, now) for each in evidence),
            *(TraceRequested(trace, by_entry[trace.entry_id].area) for trace in traces),
        ]
    )
    book.write_down(
        [
            *(_opening_record(entry, by, now) for entry in opened),
            *(_evidence_record("evidence_found", each, by, now) for each in evidence),
            *(_trace_record(trace, by, now) for trace in traces),
        ]
    )
    return opened


def keep_moves(
    book: Book,
    city: City,
    moves: Sequence[Moved],
    by: Actor,
    now: datetime,
    successors: Mapping[UUID, UUID] | None = None,
) -> None:
    """Keep moves of locked entries, each of another; any number of them costs the same few statements.

    `successors` names, by entry, the evidence of another entry that follows on what ends here; it was told before.
    """
    if not moves:
        return
    book.update_entries([move.after for move in moves])
    book.add_steps([Step(move.after, move.move, move.before.stage, move.facts, by.name, now) for move in moves])
    evidence = _evidence_changes(book, city, moves, successors or {}, now)
    book.change_evidence([*evidence.dated, *evidence.ended])
    book.add_evidence(evidence.found, now)
    book.tell([*(_told_of(move, now) for move in moves), *(EvidenceFound(each, now) for each in evidence.in_order)])
    book.write_down(
        [
            *(_move_record(move, by, now) for move in moves),
            *(_evidence_record("evidence_found", each, by, now) for each in evidence.found),
            *(_evidence_record("evidence_dated", each, by, now) for each in evidence.dated),
            *(_evidence_record("evidence_ended", each, by, now) for each in evidence.ended),
        ]
    )


@dataclass(frozen=True, slots=True)
class _EvidenceChanges:
    found: list[Evidence]
    dated: list[Evidence]
    ended: list[Evidence]

    @property
    def in_order(self) -> list[Evidence]:
        """As it is told: what is new before what is over."""
        return [*self.found, *self.dated, *self.ended]


def _evidence_changes(
    book: Book, city: City, moves: Sequence[Moved], successors: Mapping[UUID, UUID], now: datetime
) -> _EvidenceChanges:
    """End the evidence that the new stage does not give, find the one it gives instead, date the rest by the facts."""
    changes = _EvidenceChanges([], [], [])
    lasting = book.lasting_evidence_of([move.after.entry_id for move in moves])
    for move in moves:
        definition, last = city.definition_of(move.after, now), lasting.get(move.after.entry_id)
        kind = definition.stages[move.after.stage].evidence
        if last is not None and last.kind == kind:
            if (observed_at := observed_at_of(move.after, definition)) != last.observed_at:
                changes.dated.append(dated_anew(last, observed_at))
            continue
        if (found := evidence_of(move.after, definition, now)) is not None:
            changes.found.append(found)
        if last is not None:
            successor = found.evidence_id if found else successors.get(move.after.entry_id)
            changes.ended.append(ended(last, move.after.outcome or move.after.stage, now, successor))
    return changes


def _told_of(move: Moved, now: datetime) -> Happening:
    if move.after.is_open:
        return EntryMoved(move.after, move.move, move.before.stage, now)
    return EntryClosed(move.after)


def _trace_of(entry: Entry, city: City, by: Actor, now: datetime) -> Trace | None:
    rule = city.definition_of(entry, now).trace
    since = date_time_of(entry.facts, rule.fact) if rule else None
    if rule is None or since is None:
        return None
    return Trace(uuid7(now), entry.entry_id, entry.person_ref, since - rule.look_back, now, by.pseudonym)


def _opening_record(entry: Entry, by: Actor, now: datetime) -> Record:
    told = {
        "definition": entry.definition,
        "area": entry.area,
        "version": entry.version,
        "stage": entry.stage,
        "owner": entry.owner,
        "next_deadline": entry.next_deadline,
        "opened_at": entry.opened_at,
        "facts": dict(entry.facts),
        "caused_by_entry": entry.cause.entry_id,
        "caused_by_event": entry.cause.event_id,
    }
    return Record("entry_opened", now, by.name, told, entry.entry_id, entry.person_ref)


def _move_record(move: Moved, by: Actor, now: datetime) -> Record:
    after = move.after
    told = {
        "definition": after.definition,
        "version": after.version,
        "move": move.move,
        "previous_stage": move.before.stage,
        "stage": after.stage,
        "owner": after.owner,
        "next_deadline": after.next_deadline,
        "outcome": after.outcome,
        "succeeded_by": after.succeeded_by,
        "facts": dict(move.facts),
    }
    kind = "entry_moved" if after.is_open else "entry_closed"
    return Record(kind, now, by.name, told, after.entry_id, after.person_ref)


def _evidence_record(kind: str, evidence: Evidence, by: Actor, now: datetime) -> Record:
    told = {
        "evidence_id": evidence.evidence_id,
        "evidence_kind": evidence.kind,
        "observed_at": evidence.observed_at,
        "outcome": evidence.outcome,
        "succeeded_by": evidence.succeeded_by,
    }
    return Record(kind, now, by.name, told, evidence.entry_id, evidence.person_ref)


def _trace_record(trace: Trace, by: Actor, now: datetime) -> Record:
    told = {"trace_id": trace.trace_id, "from": trace.from_, "to": trace.to}
    return Record("trace_requested", now, by.name, told, trace.entry_id, trace.person_ref)
