"""A case that was none lets go whom only it holds, and its person is again what they were before.

Whom another case holds too stays its contact, by that case's grade and last meeting. Everything happens in the
transaction that refutes the case, in a number of statements that does not rise with its contacts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.ids import uuid7
from services.ledger.domain.alarms import Alarm, AlarmKind
from services.ledger.domain.city import City
from services.ledger.domain.contacts import OPENS
from services.ledger.domain.definition import Definition, Occurrence
from services.ledger.domain.entries import Cause, Entry, measure_end, open_entry
from services.ledger.domain.facts import Fact
from services.ledger.use_cases.alarms import raise_alarms
from services.ledger.use_cases.book import Book, Met
from services.ledger.use_cases.colours import isolate_the_left
from services.ledger.use_cases.handing_over import keep_successions
from services.ledger.use_cases.keeping import Actor, Moved, keep_moves, keep_openings
from services.ledger.use_cases.moving_by_occurrence import moved_by, renew

HANDED_ON_BEFORE = timedelta(seconds=10)
"""So long before a measure ends what follows on it is told, and has reached codes when it ends."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What a person is a contact by: the ledger of the closest meeting, its date, and the case or entry behind it."""

    definition: Definition
    met_at: datetime
    facts: Mapping[str, Fact]
    cause: Cause


def refute_case(book: Book, city: City, moved: Moved, by: Actor, now: datetime) -> Entry:
    """The case as it is closed. The people whom it met are locked."""
    case = moved.before
    before = contacts_by(book, city, [case.person_ref], now, without=case.entry_id).get(case.person_ref)
    if before is None:
        over = _contact_over(book, city, case, now)
        facts = {**moved.facts, "contact_ended_at": over.isoformat()} if over else moved.facts
        moved = replace(moved, facts=facts, after=replace(moved.after, facts={**moved.after.facts, **facts}))
        keep_moves(book, city, [moved], by, now)
    else:
        [(moved, again)] = _opened(
            book, city, [(moved, _opening(city, case.person_ref, case.area, before, now))], by, now
        )
        keep_successions(book, city, [(moved, again)], by, now)
        moved = replace(moved, after=replace(moved.after, succeeded_by=again.entry_id))
    let_contacts_go(book, city, case, by, now)
    return moved.after


def contact_left(book: Book, city: City, closing: Moved, now: datetime) -> Contact | None:
    """What a contact who is let go is a contact by still: a weaker meeting that counts for longer than what held them.

    Such a person is under quarantine until that is over, and under observation for the rest of the days. Whoever lets
    a contact go early has judged all that would be over by the end of the quarantine.
    """
    leaving = closing.before
    definition = city.definition_of(leaving, now)
    if not definition.is_of_contacts:
        return None
    end = measure_end(definition, leaving.facts, leaving.opened_at)
    entries = {entry.entry_id: entry for entry in book.entries_of([leaving.person_ref])}
    found = (_by_meeting(city, met, entries, now) for met in book.meetings_of([leaving.person_ref]))
    left = [
        contact
        for contact in found
        if contact is not None and contact.definition.strength < definition.strength and _outlasts(contact, end)
    ]
    return _closest(left)


def contact_before(book: Book, city: City, refuted: Moved, now: datetime) -> Contact | None:
    """The weaker contact that a refuted contact was before, or would have been.

    Nothing of the refuted entry counts, as if it had never been opened.
    """
    leaving = refuted.before
    definition = city.definition_of(leaving, now)
    if not definition.is_of_contacts:
        return None
    entries = {entry.entry_id: entry for entry in book.entries_of([leaving.person_ref])}
    found = [_by_meeting(city, met, entries, now) for met in book.meetings_of([leaving.person_ref])]
    found += [contact for _, contact in _by_orders(book, city, entries, now, refuted=leaving.entry_id)]
    return _closest([each for each in found if each is not None and each.definition.strength < definition.strength])


def _closest(contacts: Sequence[Contact]) -> Contact | None:
    return max(contacts, key=lambda each: (each.definition.strength, each.met_at), default=None)


def _outlasts(contact: Contact, end: datetime | None) -> bool:
    contact_end = measure_end(contact.definition, contact.facts, contact.met_at)
    return end is not None and contact_end is not None and contact_end > end


def keep_contact_left(book: Book, city: City, closing: Moved, left: Contact, by: Actor, now: datetime) -> Entry:
    """The closed entry, after the one that holds the person for the rest was opened."""
    opening = _opening(city, closing.before.person_ref, closing.before.area, left, now)
    successions = _opened(book, city, [(closing, opening)], by, now)
    keep_successions(book, city, successions, by, now)
    return replace(closing.after, succeeded_by=successions[0][1].entry_id)


def observe_for_the_rest(book: Book, city: City, by: Actor, now: datetime, entries_max: int = 200) -> int:
    """Hand on the contacts whose measure ends in a moment while a later, weaker meeting still counts; how many.

    Their code would be green otherwise from the end of the one measure until somebody orders the release.
    """
    ending = book.ending_entries(now + HANDED_ON_BEFORE, entries_max)
    book.lock_persons({entry.person_ref for entry in ending})
    held = book.lock_open_entries_of({entry.person_ref for entry in ending})
    handed_on = 0
    ended = []
    for entry in (each for of_person in held.values() for each in of_person):
        if entry.ends_at is None or entry.ends_at >= now + HANDED_ON_BEFORE:
            continue
        ended.append(entry)
        closing = moved_by(city, entry, Occurrence.ENTRY_OPENED, since=now, now=now)
        if closing is not None and (left := contact_left(book, city, closing, max(now, entry.ends_at))) is not None:
            keep_contact_left(book, city, closing, left, by, now)
            handed_on += 1
    book.mark_ends_seen(ended)
    return handed_on


def let_contacts_go(book: Book, city: City, case: Entry, by: Actor, now: datetime) -> None:
    """Close, date anew or grade down what the refuted case opened; each owner is told whom to let go."""
    persons = book.persons_met_by(case.entry_id) - {case.person_ref}
    held = book.lock_open_entries_of(persons)
    still = contacts_by(book, city, persons, now, without=case.entry_id)
    free: list[Moved] = []
    down: list[tuple[Moved, Entry]] = []
    renewed: list[tuple[Entry, Mapping[str, Fact]]] = []
    for person in sorted(persons):
        for entry in held.get(person, ()):
            refuted = moved_by(
                city, entry, Occurrence.CASE_REFUTED, since=now, now=now, facts={"refuted_case": str(case.entry_id)}
            )
            if refuted is None:
                continue
            contact = still.get(person)
            if contact is None:
                free.append(refuted)
            elif contact.definition.ledger == entry.ledger:
                if _begin(contact.definition, entry.facts, entry.opened_at) != contact.met_at:
                    renewed.append((entry, {"met_at": contact.met_at.isoformat()}))
            elif contact.definition.strength < city.strength(entry):
                down.append((refuted, _opening(city, person, entry.area, contact, now)))
    renew(book, city, renewed, by, now)
    keep_successions(book, city, _opened(book, city, down, by, now), by, now)
    keep_moves(book, city, free, by, now)
    raise_alarms(book, [_alarm(moved.after, case, now) for moved in free], by)
    isolate_the_left(book, city, [moved.after for moved in free], by, now)


def contacts_by(
    book: Book, city: City, persons: Collection[UUID], now: datetime, *, without: UUID
) -> dict[UUID, Contact]:
    """What people are contacts by as far as it is not over, the refuted case left out.

    An entry that an official opened holds by itself, with the date that it was opened with. Nothing holds a person any
    more where the entry that it made was closed, and none that took over is open: that contact was let go. Nor does a
    meeting whose grade an official refuted.
    """
    by_id = {entry.entry_id: entry for entry in book.entries_of(persons)}
    found: dict[UUID, list[Contact]] = {}
    for met in book.meetings_of(persons):
        if met.case.entry_id != without and (contact := _by_meeting(city, met, by_id, now)) is not None:
            found.setdefault(met.person_ref, []).append(contact)
    for person, contact in _by_orders(book, city, by_id, now):
        found.setdefault(person, []).append(contact)
    return {person: closest for person, contacts in found.items() if (closest := _closest(contacts)) is not None}


def _by_meeting(city: City, met: Met, entries: Mapping[UUID, Entry], now: datetime) -> Contact | None:
    occurrence = OPENS.get(met.grade)
    definition = city.ledgers.opened_by(occurrence, now) if occurrence else None
    if definition is None or _is_void(city, met.case, now):
        return None
    own = entries.get(met.contact_entry) if met.contact_entry else None
    if own is not None and not _line(own, entries)[-1].is_open:
        return None
    if own is not None and own.ledger == definition.ledger and _is_void(city, own, now):
        return None
    facts: dict[str, Fact] = {"met_at": met.met_at.isoformat()}
    contact = Contact(definition, met.met_at, facts, Cause(met.case.entry_id))
    return None if _is_past(contact, now) else contact


def _by_orders(
    book: Book, city: City, entries: Mapping[UUID, Entry], now: datetime, *, refuted: UUID | None = None
) -> list[tuple[UUID, Contact]]:
    """The people who are contacts by an order that lasts, or that was handed on to an entry that lasts.

    They are as close as an official graded them: what a trace alone made of it goes with the trace, and so does a grade
    that was refuted, or is at this moment.
    """
    void = {entry.entry_id for entry in entries.values() if _is_void(city, entry, now)} | {refuted}
    ordered = [entry for entry in entries.values() if _is_ordered(city, entry, now) and entry.entry_id not in void]
    first = book.first_facts([entry.entry_id for entry in ordered])
    found = []
    for entry in ordered:
        line = _line(entry, entries)
        graded = [
            definition
            for each in line
            if each.entry_id not in void and (each.cause.entry_id is None or each.cause.entry_id in entries)
            if (definition := city.definition_of(each, now)).is_of_contacts
        ]
        facts = first[entry.entry_id]
        contact = Contact(graded[-1], _begin(graded[-1], facts, entry.opened_at), facts, Cause(entry.entry_id))
        if line[-1].is_open and not _is_past(contact, now):
            found.append((entry.person_ref, contact))
    return found


def _is_void(city: City, entry: Entry, now: datetime) -> bool:
    return city.definition_of(entry, now).stages[entry.stage].is_void


def _line(entry: Entry, entries: Mapping[UUID, Entry]) -> list[Entry]:
    """The entry and those that took the person over from it, one after the other."""
    line = [entry]
    while (successor := entries.get(line[-1].succeeded_by) if line[-1].succeeded_by else None) is not None:
        line.append(successor)
    return line


def _opened(
    book: Book, city: City, successions: Sequence[tuple[Moved, Entry]], by: Actor, now: datetime
) -> list[tuple[Moved, Entry]]:
    """The successions after their new entries were opened, or found where the person stands in that ledger already."""
    opened = {entry.entry_id for entry in keep_openings(book, city, [entry for _, entry in successions], by, now)}
    there = [entry.person_ref for _, entry in successions if entry.entry_id not in opened]
    held = book.open_entries_of(there)
    return [
        (moved, entry)
        if entry.entry_id in opened
        else (moved, next(each for each in held[entry.person_ref] if each.ledger == entry.ledger))
        for moved, entry in successions
    ]


def _is_ordered(city: City, entry: Entry, now: datetime) -> bool:
    is_caused = entry.cause.entry_id is not None or entry.cause.event_id is not None
    return not is_caused and city.definition_of(entry, now).is_of_contacts


def _is_past(contact: Contact, now: datetime) -> bool:
    end = measure_end(contact.definition, contact.facts, contact.met_at)
    return end is not None and end <= now


def _begin(definition: Definition, facts: Mapping[str, Fact], opened_at: datetime) -> datetime:
    if definition.measure is None:
        return opened_at
    end = measure_end(definition, facts, opened_at)
    assert end is not None
    return end - definition.measure.lasts


def _contact_over(book: Book, city: City, case: Entry, now: datetime) -> datetime | None:
    """When the contact that became this case was over, where a contact did."""
    before = [entry for entry in book.entries_of([case.person_ref]) if entry.succeeded_by == case.entry_id]
    ends = [measure_end(city.definition_of(entry, now), entry.facts, entry.opened_at) for entry in before]
    return max((end for end in ends if end is not None), default=None)


def _opening(city: City, person: UUID, area: str, contact: Contact, now: datetime) -> Entry:
    """The contact's entry, with the date of the meeting that holds them."""
    stage = next(stage for occurrence, stage in contact.definition.opens_on.items() if occurrence in OPENS.values())
    facts = {**contact.facts, "met_at": contact.met_at.isoformat()}
    return open_entry(
        contact.definition,
        entry_id=uuid7(now),
        person_ref=person,
        area=area,
        owner=city.owner(contact.definition, area),
        facts=facts,
        opened_at=now,
        stage=stage,
        cause=contact.cause,
    )


def _alarm(entry: Entry, case: Entry, now: datetime) -> Alarm:
    return Alarm(
        alarm_id=uuid7(now),
        kind=AlarmKind.CONTACT_LET_GO,
        person_ref=entry.person_ref,
        entry_id=entry.entry_id,
        owner=entry.owner,
        area=entry.area,
        raised_at=now,
        about=f"entry/{case.entry_id}",
    )
