"""Alarms: somebody must turn up; raised once for a stop, once for a deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

TOO_LATE = timedelta(days=8)
"""Who was at a gate longer ago is not there any more, and what is told of a scan would lie in the log for longer than
the scan may be kept (ADR D16)."""


OPEN_FOR = timedelta(hours=12)
"""So long after its last repeat an alarm is open: who is stopped there again by then is still the same case of it."""


class AlarmKind(StrEnum):
    PERSON_STOPPED = "person_stopped"
    LET_IN_OFFLINE = "let_in_offline"
    FEVER = "fever"
    DEADLINE_PASSED = "deadline_passed"
    CONTACT_LET_GO = "contact_let_go"
    PERSON_NOT_FOUND = "person_not_found"
    PERSON_LEFT_CITY = "person_left_city"
    DEVICE_SILENT = "device_silent"
    DEVICE_DRIFTED = "device_drifted"
    MEASUREMENT_OVERDUE = "measurement_overdue"
    TRACE_HELD = "trace_held"
    CLOCK_OFF = "clock_off"


@dataclass(frozen=True, slots=True)
class Stop:
    """What happened at a gate, and when; `person_ref` None where the person is unknown.

    `is_completion`: it is told once more, now with the person; the gate's district has an alarm without.
    """

    kind: AlarmKind
    scan_id: str
    person_ref: UUID | None
    checkpoint_id: str
    area: str
    at: datetime
    is_completion: bool = False


@dataclass(frozen=True, slots=True)
class PostTrouble:
    """What is wrong at a checkpoint, with nobody in particular: `about` names the device, clock or measurement case."""

    kind: AlarmKind
    about: str
    checkpoint_id: str
    area: str


@dataclass(frozen=True, slots=True)
class AlarmSubject:
    """Whom an alarm about a person at a place is about, and who must turn up: one open alarm for each."""

    kind: AlarmKind
    person_ref: UUID
    checkpoint_id: str
    owner: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """`owner` must turn up; `area` is where it happened; `about` names what else it is about, such as `trace/<id>`.

    `count` says how often it happened while the alarm was open, `last_at` when last.
    """

    alarm_id: UUID
    kind: AlarmKind
    person_ref: UUID | None
    entry_id: UUID | None
    owner: str
    area: str
    raised_at: datetime
    checkpoint_id: str = ""
    scan_id: str = ""
    about: str = ""
    count: int = 1
    last_at: datetime | None = None

    @property
    def subject(self) -> AlarmSubject | None:
        """None where nobody is known, or it is about no place."""
        if self.person_ref is None or not self.checkpoint_id:
            return None
        return AlarmSubject(self.kind, self.person_ref, self.checkpoint_id, self.owner)


@dataclass(frozen=True, slots=True)
class Repeats:
    """An open alarm that happened again: how often, and when last."""

    alarm_id: UUID
    count: int
    last_at: datetime


def counted(alarms: Sequence[Alarm], already_open: Mapping[AlarmSubject, UUID]) -> tuple[list[Alarm], list[Repeats]]:
    """The alarms to raise, each with its repeats among them, and the repeats of those that are open already."""
    first: dict[AlarmSubject, Alarm] = {}
    raised: list[Alarm] = []
    repeats: dict[UUID, Repeats] = {}
    for alarm in alarms:
        subject, at = alarm.subject, alarm.last_at or alarm.raised_at
        if subject is None:
            raised.append(alarm)
        elif subject in already_open:
            known = repeats.get(already_open[subject], Repeats(already_open[subject], 0, at))
            repeats[known.alarm_id] = Repeats(known.alarm_id, known.count + 1, max(known.last_at, at))
        elif subject in first:
            known_first = first[subject]
            last_at = max(known_first.last_at or known_first.raised_at, at)
            first[subject] = replace(known_first, count=known_first.count + 1, last_at=last_at)
        else:
            first[subject] = alarm
    return [*raised, *first.values()], list(repeats.values())
