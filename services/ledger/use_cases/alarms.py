"""Raise alarms: a stop does not end at the gate, and a deadline does not pass in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog

from chassis.ids import uuid7
from services.ledger.domain.alarms import OPEN_FOR, TOO_LATE, Alarm, AlarmKind, PostTrouble, Stop, counted
from services.ledger.domain.city import City
from services.ledger.domain.entries import Entry
from services.ledger.domain.happenings import AlarmRaised
from services.ledger.domain.records import Record
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.keeping import Actor

log = structlog.get_logger("alarms")


def alarm_for_stops(book: Book, city: City, stops: Sequence[Stop], by: Actor, now: datetime) -> list[Alarm]:
    """Alarm the owner of each person's strongest entry, else the gate's district: once a person, place and kind.

    While an alarm is open, further stops of the same person there are counted on it.

    Where the person only becomes known afterwards, an owner is alarmed besides the district; the two may be told in any
    order, so the later one alarms the district too, which has one alarm all the same. What is told days too late alarms
    nobody.
    """
    if late := sum(stop.at < now - TOO_LATE for stop in stops):
        log.warning("what happened too long ago alarms nobody", stops=late)
    stops = [stop for stop in stops if stop.at >= now - TOO_LATE]
    held = book.open_entries_of({stop.person_ref for stop in stops if stop.person_ref is not None})
    first = [replace(stop, person_ref=None, is_completion=False) if stop.is_completion else stop for stop in stops]
    owned = [stop for stop in stops if stop.is_completion and stop.person_ref in held]
    alarms = [_alarm_of(city, stop, held, now) for stop in (*first, *owned)]
    subjects = {subject for alarm in alarms if (subject := alarm.subject) is not None}
    new, repeats = counted(alarms, book.lock_open_alarms(subjects, now - OPEN_FOR))
    book.count_repeats(repeats)
    return raise_alarms(book, new, by)


def alarm_for_troubles(
    book: Book, city: City, troubles: Sequence[PostTrouble], by: Actor, now: datetime
) -> list[Alarm]:
    """One alarm a trouble, to the checkpoint's district."""
    alarms = [
        Alarm(
            alarm_id=uuid7(now),
            kind=trouble.kind,
            person_ref=None,
            entry_id=None,
            owner=city.district(trouble.area),
            area=city.areas.nearest(trouble.area),
            raised_at=now,
            checkpoint_id=trouble.checkpoint_id,
            about=trouble.about,
        )
        for trouble in troubles
    ]
    return raise_alarms(book, alarms, by)


def escalate_overdue(book: Book, city: City, by: Actor, now: datetime, entries_max: int = 200) -> int:
    """Alarm the area above each owner whose deadline has passed, once a deadline; how many there were."""
    overdue = book.lock_overdue(now, entries_max)
    book.mark_escalated(overdue)
    raise_alarms(
        book,
        [
            Alarm(
                alarm_id=uuid7(now),
                kind=AlarmKind.DEADLINE_PASSED,
                person_ref=entry.person_ref,
                entry_id=entry.entry_id,
                owner=city.above(entry.owner),
                area=entry.area,
                raised_at=now,
            )
            for entry in overdue
        ],
        by,
    )
    return len(overdue)


def _alarm_of(city: City, stop: Stop, held: Mapping[UUID, Sequence[Entry]], now: datetime) -> Alarm:
    entries = held.get(stop.person_ref, ()) if stop.person_ref else ()
    entry = max(entries, key=city.strength, default=None)
    return Alarm(
        alarm_id=uuid7(now),
        kind=stop.kind,
        person_ref=stop.person_ref,
        entry_id=entry.entry_id if entry else None,
        owner=entry.owner if entry else city.district(stop.area),
        area=city.areas.nearest(stop.area),
        raised_at=now,
        checkpoint_id=stop.checkpoint_id,
        scan_id="" if stop.is_completion else stop.scan_id,
        about=f"scan/{stop.scan_id}" if stop.is_completion else "",
        last_at=stop.at,
    )


def raise_alarms(book: Book, alarms: Sequence[Alarm], by: Actor) -> list[Alarm]:
    """Keep and tell the alarms that were not raised before; which."""
    new = book.add_alarms(alarms)
    raised = [alarm for alarm in alarms if alarm.alarm_id in new]
    book.tell([AlarmRaised(alarm) for alarm in raised])
    book.write_down([_record(alarm, by) for alarm in raised])
    return raised


def _record(alarm: Alarm, by: Actor) -> Record:
    told = {
        "alarm_id": alarm.alarm_id,
        "alarm": alarm.kind,
        "owner": alarm.owner,
        "area": alarm.area,
        "checkpoint_id": alarm.checkpoint_id,
        "scan_id": alarm.scan_id,
        "about": alarm.about,
    }
    return Record("alarm_raised", alarm.raised_at, by.name, told, alarm.entry_id, alarm.person_ref)
