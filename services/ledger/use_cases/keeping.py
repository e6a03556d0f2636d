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
from services.ledger.domain.evidence import Evidence, ended, evidence_of
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


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: the bearer's `sub` and roles, or the event or timer that did it."""

    name: str
    roles: frozenset[str] = frozenset()


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
    evidence = [found for entry in opened if (found := evidence_of(entry, city.definition_of(entry), now))]
    book.add_evidence(evidence, now)
    traces = [trace for entry in opened if (trace := _trace_of(entry, city, now))]
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


def keep_move(
    book: Book, city: City, before: Entry, after: Entry, move: str, facts: Mapping[str, Fact], by: Actor, now: datetime
) -> None:
    book.update_entry(after)
    book.add_steps([Step(after, move, before.stage, facts, by.name, now)])
    told: list[Happening] = [EntryMoved(after, move, before.stage, now) if after.is_open else EntryClosed(after)]
    told += [EvidenceFound(each, now) for each in _keep_evidence(book, city, before, after, by, now)]
    book.tell(told)
    book.write_down([_move_record(before, after, move, facts, by, now)])


def _keep_evidence(book: Book, city: City, before: Entry, after: Entry, by: Actor, now: datetime) -> list[Evidence]:
    """End the evidence that the new stage does not give, and find the one it gives instead."""
    stages = city.definition_of(after).stages
    if stages[before.stage].evidence == stages[after.stage].evidence:
        return []
    changed = []
    lasting = book.lasting_evidence(after.entry_id)
    if lasting is not None:
        changed.append(ended(lasting, after.outcome or after.stage, now))
        book.end_evidence(changed[0])
        book.write_down([_evidence_record("evidence_ended", changed[0], by, now)])
    found = evidence_of(after, city.definition_of(after), now)
    if found is not None:
        changed.append(found)
        book.add_evidence([found], now)
        book.write_down([_evidence_record("evidence_found", found, by, now)])
    return changed


def _trace_of(entry: Entry, city: City, now: datetime) -> Trace | None:
    rule = city.definition_of(entry).trace
    since = date_time_of(entry.facts, rule.fact) if rule else None
    if rule is None or since is None:
        return None
    return Trace(uuid7(now), entry.entry_id, entry.person_ref, since - rule.look_back, now)


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


def _move_record(before: Entry, after: Entry, move: str, facts: Mapping[str, Fact], by: Actor, now: datetime) -> Record:
    told = {
        "definition": after.definition,
        "version": after.version,
        "move": move,
        "previous_stage": before.stage,
        "stage": after.stage,
        "owner": after.owner,
        "next_deadline": after.next_deadline,
        "outcome": after.outcome,
        "facts": dict(facts),
    }
    kind = "entry_moved" if after.is_open else "entry_closed"
    return Record(kind, now, by.name, told, after.entry_id, after.person_ref)


def _evidence_record(kind: str, evidence: Evidence, by: Actor, now: datetime) -> Record:
    told = {
        "evidence_id": evidence.evidence_id,
        "evidence_kind": evidence.kind,
        "observed_at": evidence.observed_at,
        "outcome": evidence.outcome,
    }
    return Record(kind, now, by.name, told, evidence.entry_id, evidence.person_ref)


def _trace_record(trace: Trace, by: Actor, now: datetime) -> Record:
    told = {"trace_id": trace.trace_id, "from": trace.from_, "to": trace.to}
    return Record("trace_requested", now, by.name, told, trace.entry_id, trace.person_ref)
