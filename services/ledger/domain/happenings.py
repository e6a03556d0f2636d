"""What the ledger tells others, in the past tense; `messages.py` puts it into the words of proto/."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.ledger.domain.alarms import Alarm
from services.ledger.domain.contacts import Trace
from services.ledger.domain.definition import Definition
from services.ledger.domain.entries import Entry
from services.ledger.domain.evidence import Evidence
from services.ledger.domain.tasks import Task


@dataclass(frozen=True, slots=True)
class EntryOpened:
    entry: Entry


@dataclass(frozen=True, slots=True)
class EntryMoved:
    entry: Entry
    move: str
    previous_stage: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EntryClosed:
    entry: Entry


@dataclass(frozen=True, slots=True)
class EvidenceFound:
    evidence: Evidence
    at: datetime


@dataclass(frozen=True, slots=True)
class TraceRequested:
    trace: Trace
    area: str


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class TaskOpened:
    task: Task


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    task: Task


@dataclass(frozen=True, slots=True)
class LedgerDefined:
    definition: Definition
    revision: int
    at: datetime


Happening = (
    EntryOpened
    | EntryMoved
    | EntryClosed
    | EvidenceFound
    | TraceRequested
    | AlarmRaised
    | TaskOpened
    | TaskCompleted
    | LedgerDefined
)
