"""Take a trace's answer: a contact is opened in the ledger of the closest meeting, or dated by a later meeting.

A contact counts until so many days after the last meeting, by whichever case and trace it is found. A later meeting
prolongs the open entry and dates its evidence anew; an earlier one shortens nothing. Every meeting is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from chassis.ids import uuid7
from services.ledger.domain.alarms import Alarm, AlarmKind
from services.ledger.domain.city import City
from services.ledger.domain.contacts import OPENS, HeldTrace, Meeting, TracePart, by_contact, last_of_each_grade
from services.ledger.domain.definition import Definition
from services.ledger.domain.entries import Cause, Entry, measure_began, open_entry
from services.ledger.domain.facts import Fact
from services.ledger.domain.records import Record
from services.ledger.use_cases.alarms import raise_alarms
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.handing_over import holds, is_over, open_entries
from services.ledger.use_cases.keeping import Actor
from services.ledger.use_cases.moving_by_occurrence import renew

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
    held = book.lock_open_entries_of(met.keys())
    opened: list[Entry] = []
    if not city.definition_of(case, now).stages[case.stage].is_void:
        following = _Following(city, case, part, book.areas_of(met.keys()), now)
        effects = [following.of(meetings, held.get(person, ())) for person, meetings in met.items()]
        renew(book, city, [each for each in effects if isinstance(each, tuple)], by, now)
        opened = open_entries(book, city, [each for each in effects if isinstance(each, Entry)], by, now)
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


Renewal = tuple[Entry, Mapping[str, Fact]]


@dataclass(frozen=True, slots=True)
class _Following:
    """What follows for a contact from meetings that were not known before."""

    city: City
    case: Entry
    part: TracePart
    areas: Mapping[UUID, str]
    now: datetime

    def of(self, meetings: Sequence[Meeting], held: Sequence[Entry]) -> Entry | Renewal | None:
        """An entry to open, or one to date by a later meeting; None where the person is held as long already.

        By the closest grade first. A meeting whose measure is over opens nothing, so a later one of a weaker grade may.
        """
        for meeting in last_of_each_grade(meetings):
            occurrence = OPENS.get(meeting.grade)
            definition = self.city.ledgers.opened_by(occurrence, self.now) if occurrence else None
            if definition is None or occurrence is None:
                continue
            own = next((entry for entry in held if entry.ledger == definition.ledger), None)
            if own is not None and meeting.met_at > measure_began(self.city.definition_of(own, self.now), own):
                return own, {"met_at": meeting.met_at.isoformat()}
            if any(holds(self.city, entry, definition, self.now) for entry in held):
                return None
            opening = self._opening(definition, definition.opens_on[occurrence], meeting)
            if own is None and not is_over(self.city, opening, self.now):
                return opening
        return None

    def _opening(self, definition: Definition, stage: str, meeting: Meeting) -> Entry:
        area = self.city.areas.nearest(self.areas.get(meeting.person_ref) or meeting.area)
        return open_entry(
            definition,
            entry_id=uuid7(self.now),
            person_ref=meeting.person_ref,
            area=area,
            owner=self.city.owner(definition, area),
            facts={"met_at": meeting.met_at.isoformat()},
            opened_at=self.now,
            stage=stage,
            cause=Cause(self.case.entry_id, self.part.event_id),
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
