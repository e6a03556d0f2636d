"""What the use cases need of a store: the ledgers' book, open at one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.ledger.domain.alarms import Alarm, AlarmSubject, Repeats
from services.ledger.domain.colours import Colour, ColourChange
from services.ledger.domain.contacts import Grade, HeldTrace, Meeting, Trace, TracePart
from services.ledger.domain.entries import Entry
from services.ledger.domain.evidence import Evidence
from services.ledger.domain.facts import Fact
from services.ledger.domain.happenings import Happening
from services.ledger.domain.records import Record
from services.ledger.domain.tasks import Task


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an entry's history: the entry as the move left it."""

    entry: Entry
    move: str
    previous_stage: str | None
    facts: Mapping[str, Fact]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What whoever opened or moved an entry is told."""

    entry_id: UUID
    version: int
    stage: str
    owner: str
    next_deadline: datetime | None
    succeeded_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Met:
    """How a person met a case, the latest meeting of each grade; `contact_entry` is the person's entry of that time."""

    person_ref: UUID
    case: Entry
    grade: Grade
    met_at: datetime
    contact_entry: UUID | None


class Book(Protocol):
    """Reads see, and writes belong to, the caller's transaction."""

    def entry(self, entry_id: UUID) -> Entry | None: ...

    def lock_entry(self, entry_id: UUID) -> Entry | None:
        """The entry, kept from changing until the transaction ends."""

    def lock_entries(self, entries: Collection[UUID]) -> list[Entry]:
        """The entries in ascending order, kept from changing until the transaction ends."""

    def entries_under(
        self,
        versions: Collection[tuple[str, int]],
        barring: Collection[tuple[str, str]],
        after: UUID,
        entries_max: int,
    ) -> list[Entry]:
        """The next entries in ascending order that were opened under these versions (ledger, version) and are open, or
        stand at a barring stage (ledger, stage) without evidence that lasts; not locked."""

    def lock_overdue(self, now: datetime, entries_max: int) -> list[Entry]:
        """Open entries whose deadline has passed and was not escalated, passing over those locked by others."""

    def lock_persons(self, persons: Collection[UUID]) -> None:
        """Keep others from opening, moving or closing anything of these people until the transaction ends.

        Taken first and for everybody at once, so that two transactions never wait for each other.
        """

    def entries_of(self, persons: Collection[UUID]) -> list[Entry]:
        """Every entry of the people, open or closed, in the order of opening."""

    def persons_at(self, persons: Collection[UUID], stages: Collection[tuple[str, str]]) -> set[UUID]:
        """Those of the people who have an entry at one of the stages (ledger, stage)."""

    def steps_back(self, entry: Entry) -> tuple[Step, Step]:
        """The entry's last step and the one before it, of an entry that was moved."""

    def first_facts(self, entries: Collection[UUID]) -> dict[UUID, Mapping[str, Fact]]:
        """What entries were opened with."""

    def ending_entries(self, before: datetime, entries_max: int) -> list[Entry]:
        """Open entries whose measure ends before then, and whose end was not dealt with; not locked."""

    def mark_ends_seen(self, entries: Sequence[Entry]) -> None:
        """The ends of these measures are dealt with."""

    def open_entries_of(self, persons: Collection[UUID]) -> dict[UUID, list[Entry]]: ...

    def lock_open_entries_of(self, persons: Collection[UUID]) -> dict[UUID, list[Entry]]:
        """The open entries, kept from changing until the transaction ends."""

    def insert_entries(self, entries: Sequence[Entry], digests: Mapping[UUID, bytes]) -> set[UUID]:
        """Insert those that neither repeat an identifier nor open a ledger twice for a person; which were."""

    def update_entries(self, entries: Sequence[Entry]) -> None: ...

    def mark_escalated(self, entries: Sequence[Entry]) -> None: ...

    def opening_of(self, entry_id: UUID) -> tuple[Answer, bytes | None] | None:
        """The first answer about an entry and the digest of the order that opened it."""

    def add_steps(self, steps: Sequence[Step]) -> None: ...

    def add_evidence(self, evidence: Sequence[Evidence], at: datetime) -> None: ...

    def lasting_evidence_of(self, entries: Collection[UUID]) -> dict[UUID, Evidence]:
        """The evidence that lasts, by entry, kept from changing until the transaction ends."""

    def change_evidence(self, evidence: Sequence[Evidence]) -> None:
        """Evidence that was dated anew or has ended."""

    def add_trace(self, trace: Trace) -> None: ...

    def take_part(self, part: TracePart, now: datetime) -> UUID | None:
        """Note that the part arrived; the entry that asked for the trace, None for a trace never asked for here."""

    def hold_trace(self, held: HeldTrace, now: datetime) -> UUID | None:
        """Note that the trace waits for a second person; the entry that asked, None where it was not asked for here."""

    def known_meetings(self, case_entry: UUID, persons: Collection[UUID]) -> set[tuple[UUID, str, str]]:
        """The keys of meetings of the case with these persons that were recorded before."""

    def add_meetings(
        self, part: TracePart, case_entry: UUID, meetings: Sequence[Meeting], entries: Mapping[UUID, UUID], at: datetime
    ) -> None:
        """Record meetings, each once, with the contact's entry by person."""

    def persons_met_by(self, case_entry: UUID) -> set[UUID]:
        """Whoever met the case, by the traces that were answered so far."""

    def meetings_of(self, persons: Collection[UUID]) -> list[Met]:
        """Whom the people met, by case, grade and entry."""

    def remember_colours(self, changes: Sequence[ColourChange]) -> None:
        """Keep the last colour of each person; the people are locked until the transaction ends."""

    def colours_of(self, persons: Collection[UUID]) -> dict[UUID, Colour]:
        """The colours that isolate, as codes told them last; people with another colour or none are left out."""

    def ended_evidence_of(self, persons: Collection[UUID]) -> dict[UUID, frozenset[str]]:
        """Identifiers of the evidence about each person that has ended."""

    def add_alarms(self, alarms: Sequence[Alarm]) -> set[UUID]:
        """Record alarms, of one stop one of each kind; which were new."""

    def lock_open_alarms(self, subjects: Collection[AlarmSubject], since: datetime) -> dict[AlarmSubject, UUID]:
        """The alarms of these subjects that were raised or repeated since, the latest of each; kept from changing."""

    def count_repeats(self, repeats: Sequence[Repeats]) -> None: ...

    def add_tasks(self, tasks: Sequence[Task]) -> set[UUID]:
        """Record tasks, of one cause one of each kind; which were new."""

    def lock_task(self, task_id: UUID) -> Task | None:
        """The task, kept from changing until the transaction ends."""

    def update_task(self, task: Task, completed_by: str) -> None: ...

    def lock_overdue_tasks(self, now: datetime, tasks_max: int) -> list[Task]:
        """Open tasks whose time has passed, marked as escalated, passing over those locked by others."""

    def remember_areas(self, areas: Mapping[UUID, str]) -> None: ...

    def areas_of(self, persons: Collection[UUID]) -> dict[UUID, str]: ...

    def write_down(self, records: Sequence[Record]) -> None:
        """Append to the journal."""

    def tell(self, happenings: Sequence[Happening]) -> None:
        """Put what happened into the outbox; the aggregates are locked by then."""
