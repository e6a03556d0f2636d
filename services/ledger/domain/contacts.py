"""Contacts: whom a trace found with a case, how closely, and which meeting counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.pseudonym import keyed_uuid
from services.ledger.domain.definition import Occurrence


def pseudonym_of(city_key: bytes, subject: str) -> UUID:
    """Who somebody (`sub`) is to the other services of the city, and to nobody else (docs/adr/0021)."""
    return keyed_uuid(city_key, "requester", subject)


class Grade(StrEnum):
    CLOSE = "close"
    GENERAL = "general"
    PROPOSED = "proposed"


OPENS = {Grade.CLOSE: Occurrence.CONTACT_CLOSE, Grade.GENERAL: Occurrence.CONTACT_GENERAL}
"""A proposed contact opens nothing: it waits for a person."""
_ORDER = (Grade.CLOSE, Grade.GENERAL, Grade.PROPOSED)


@dataclass(frozen=True, slots=True)
class Trace:
    """A question to checkpoints: who met the entry's person between two moments.

    `requested_by` is the keyed pseudonym of the person who opened the case; None where no person did. `revision` is 2
    where that was added later.
    """

    trace_id: UUID
    entry_id: UUID
    person_ref: UUID
    from_: datetime
    to: datetime
    requested_by: UUID | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Meeting:
    """The case and the contact at one checkpoint or in one vehicle; `apart_s` seconds between their scans."""

    person_ref: UUID
    grade: Grade
    checkpoint_id: str
    kind: str
    area: str
    met_at: datetime
    apart_s: float
    case_scan_id: str
    contact_scan_id: str

    @property
    def key(self) -> tuple[UUID, str, str]:
        return self.person_ref, self.case_scan_id, self.contact_scan_id


@dataclass(frozen=True, slots=True)
class HeldTrace:
    """A trace that told nobody: so many contacts need a second person's approval. `area` is empty where unknown."""

    trace_id: UUID
    person_ref: UUID
    contacts: int
    area: str


@dataclass(frozen=True, slots=True)
class TracePart:
    """One part of a trace's answer; `parts` are known so far.

    `contacts_older` of the whole trace met the case too long ago to be told in the log.
    """

    trace_id: UUID
    event_id: UUID
    meetings: Sequence[Meeting]
    part: int
    parts: int
    tracing_rule: str
    contacts_older: int = 0


def by_contact(meetings: Iterable[Meeting], case: UUID) -> dict[UUID, list[Meeting]]:
    """Meetings by contact, in one order whoever asks; a case is never its own contact."""
    found: dict[UUID, list[Meeting]] = {}
    for meeting in sorted(meetings, key=lambda each: each.person_ref):
        if meeting.person_ref != case:
            found.setdefault(meeting.person_ref, []).append(meeting)
    return found


def last_of_each_grade(meetings: Iterable[Meeting]) -> list[Meeting]:
    """The last meeting of each grade, the closest grade first: a contact counts from the last contact."""
    last: dict[Grade, Meeting] = {}
    for meeting in meetings:
        if meeting.grade not in last or meeting.met_at > last[meeting.grade].met_at:
            last[meeting.grade] = meeting
    return sorted(last.values(), key=lambda each: _ORDER.index(each.grade))
