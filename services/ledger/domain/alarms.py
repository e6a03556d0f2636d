"""Alarms: somebody must turn up; raised once for a stop, once for a deadline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

TOO_LATE = timedelta(days=8)
"""Who was at a gate longer ago is not there any more, and what is told of a scan would lie in the log for longer than
the scan may be kept (ADR D16)."""


class AlarmKind(StrEnum):
    PERSON_STOPPED = "person_stopped"
    LET_IN_OFFLINE = "let_in_offline"
    FEVER = "fever"
    DEADLINE_PASSED = "deadline_passed"
    PERSON_NOT_FOUND = "person_not_found"
    DEVICE_SILENT = "device_silent"
    DEVICE_DRIFTED = "device_drifted"
    MEASUREMENT_OVERDUE = "measurement_overdue"


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
    """What is wrong at a checkpoint, with nobody in particular: `about` names the device or the measurement case."""

    kind: AlarmKind
    about: str
    checkpoint_id: str
    area: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """`owner` must turn up; `area` is where it happened; `about` names what else it is about (`task/<id>`)."""

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
