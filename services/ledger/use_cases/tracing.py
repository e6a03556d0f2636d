"""Take a trace's answer: who met a case is opened in the ledger of the closest meeting, and every meeting is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from chassis.ids import uuid7
from services.ledger.domain.alarms import Alarm, AlarmKind
from services.ledger.domain.city import City
from services.ledger.domain.contacts import OPENS, HeldTrace, Meeting, TracePart, by_contact, deciding
from services.ledger.domain.entries import Cause, Entry, open_entry
from services.ledger.domain.records import Record
from services.ledger.use_cases.alarms import raise_alarms
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.handing_over import holds, open_entries
from services.ledger.use_cases.keeping import Actor

log = structlog.get_logger("tracing")


def take_contacts(book: Book, city: City, part: TracePart, by: Actor, now: datetime) -> list[Entry]:
    """The entries that were opened. A trace that was not asked for here opens nothing."""
    case_id = book.take_part(part, now)
    case = book.entry(case_id) if case_id else None
    if case is None:
        log.info("a trace that the ledger did not ask for is passed over", trace=str(part.trace_id))
        return []
    if part.contacts_older:
        log.warning("met too long ago to be told", trace=str(part.trace_id), contacts=part.contacts_older)
    # A refutation locks the same people, so that none of them is opened after it.
    book.lock_persons({case.person_ref, *(meeting.person_ref for meeting in part.meetings)})
    case = book.entry(case.entry_id) or case
    met = _unknown_meetings(book, case, part)
    held = book.open_entries_of(met.keys())
    opened: list[Entry] = []
    if not city.definition_of(case, now).stages[case.stage].is_void:
        areas = book.areas_of(met.keys())
        proposed = [
            entry
            for person, meetings in met.items()
            if (entry := _opening(city, case, person, meetings, areas, held, part, now)) is not None
        ]
        opened = open_entries(book, city, proposed, by, now)
        if len(opened) < len(proposed):
            held = book.open_entries_of(met.keys())
    entries = _entry_by_person(city, opened, held)
    meetings = [meeting for each in met.values() for meeting in each]
    book.add_meetings(part, case.entry_id, meetings, entries, now)
    book.write_down([_meeting_record(case, meeting, entries, part, by, now) for meeting in meetings])
    return opened


def take_held(book: Book, city: City, held: HeldTrace, by: Actor, now: datetime) -> list[Alarm]:
    """Alarm the case's district: an approver who reaches it must look at the trace before anybody is told.

    A trace that an official asked for at checkpoints has no entry here, and alarms all the same.
    """
    case_id = book.hold_trace(held, now)
    case = book.entry(case_id) if case_id else None
    area = city.areas.nearest(held.area or (case.area if case else city.areas.root))
    alarm = Alarm(
        alarm_id=uuid7(now),
        kind=AlarmKind.TRACE_HELD,
        person_ref=held.person_ref,
        entry_id=case.entry_id if case else None,
        owner=city.district(area),
        area=area,
        raised_at=now,
        about=f"trace/{held.trace_id}",
    )
    return raise_alarms(book, [alarm], by)


def _unknown_meetings(book: Book, case: Entry, part: TracePart) -> dict[UUID, list[Meeting]]:
    """Meetings by contact that were not taken before: a contact who was let go is not opened again by an old one."""
    known = book.known_meetings(case.entry_id, {meeting.person_ref for meeting in part.meetings})
    return by_contact([meeting for meeting in part.meetings if meeting.key not in known], case.person_ref)


def _opening(
    city: City,
    case: Entry,
    person: UUID,
    meetings: Sequence[Meeting],
    areas: Mapping[UUID, str],
    held: Mapping[UUID, Sequence[Entry]],
    part: TracePart,
    now: datetime,
) -> Entry | None:
    """The contact's entry, unless the person stands in that ledger or a stronger one already."""
    meeting = deciding(meetings)
    occurrence = OPENS.get(meeting.grade)
    definition = city.ledgers.opened_by(occurrence, now) if occurrence else None
    if definition is None or occurrence is None:
        return None
    if any(holds(city, entry, definition, now) for entry in held.get(person, ())):
        return None
    area = city.areas.nearest(areas.get(person) or meeting.area)
    return open_entry(
        definition,
        entry_id=uuid7(now),
        person_ref=person,
        area=area,
        owner=city.owner(definition, area),
        facts={"met_at": meeting.met_at.isoformat()},
        opened_at=now,
        stage=definition.opens_on[occurrence],
        cause=Cause(case.entry_id, part.event_id),
    )


def _entry_by_person(city: City, opened: Sequence[Entry], held: Mapping[UUID, Sequence[Entry]]) -> dict[UUID, UUID]:
    """The entry that a meeting belongs to: the one just opened, else the strongest that the person has."""
    strongest = {person: max(entries, key=city.strength).entry_id for person, entries in held.items() if entries}
    return strongest | {entry.person_ref: entry.entry_id for entry in opened}


def _meeting_record(
    case: Entry, meeting: Meeting, entries: Mapping[UUID, UUID], part: TracePart, by: Actor, now: datetime
) -> Record:
    told = {
        "case_entry": case.entry_id,
        "trace_id": part.trace_id,
        "tracing_rule": part.tracing_rule,
        "grade": meeting.grade,
        "checkpoint_id": meeting.checkpoint_id,
        "met_at": meeting.met_at,
        "apart_s": meeting.apart_s,
        "scans": [meeting.case_scan_id, meeting.contact_scan_id],
    }
    return Record("meeting_found", now, by.name, told, entries.get(meeting.person_ref), meeting.person_ref)
