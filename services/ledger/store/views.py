"""What people read: entries, alarms, a person's file; and the log of who read whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from services.ledger.domain.entries import Entry
from services.ledger.domain.tasks import Task
from services.ledger.store.tables import (
    alarm,
    columns,
    entry,
    entry_of,
    evidence,
    meeting,
    person_area,
    step,
    task,
    task_of,
    trace,
)

TIMELINE_MAX = 2000


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """What is None is not asked for; `area` is a subtree, `owner` exact, `before` the last entry of the page before."""

    area: str
    ledger: str | None = None
    stage: str | None = None
    owner: str | None = None
    overdue_at: datetime | None = None
    before: UUID | None = None


def in_subtree(column: sa.ColumnElement[str], area: str) -> sa.ColumnElement[bool]:
    """Codes that begin with the area's (in the C collation ":" follows the digits, so that an index can serve it)."""
    return sa.and_(column >= area, column < area + ":")


def entries(tx: Connection, asked: EntryFilter, entries_max: int) -> list[Entry]:
    """The newest identifiers first."""
    found = sa.select(entry).where(in_subtree(entry.c.area, asked.area))
    for column, wanted in ((entry.c.ledger, asked.ledger), (entry.c.stage, asked.stage), (entry.c.owner, asked.owner)):
        if wanted is not None:
            found = found.where(column == wanted)
    if asked.overdue_at is not None:
        found = found.where(entry.c.closed_at.is_(None), entry.c.next_deadline < asked.overdue_at)
    if asked.before is not None:
        found = found.where(entry.c.entry_id < asked.before)
    return [entry_of(row) for row in tx.execute(found.order_by(entry.c.entry_id.desc()).limit(entries_max))]


def alarms(tx: Connection, area: str, before: UUID | None, alarms_max: int) -> list[dict[str, Any]]:
    """Alarms that happened in the subtree or whose owner sits in it, the newest first."""
    found = sa.select(alarm).where(sa.or_(in_subtree(alarm.c.area, area), in_subtree(alarm.c.owner, area)))
    if before is not None:
        found = found.where(alarm.c.alarm_id < before)
    rows = tx.execute(found.order_by(alarm.c.alarm_id.desc()).limit(alarms_max))
    return [dict(row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """As `EntryFilter`; `is_completed` chooses between those that are done and those that are not."""

    area: str
    owner: str | None = None
    is_completed: bool = False
    overdue_at: datetime | None = None
    before: UUID | None = None


def tasks(tx: Connection, asked: TaskFilter, tasks_max: int) -> list[Task]:
    """The newest identifiers first."""
    is_open = task.c.completed_at.is_(None)
    found = sa.select(task).where(
        in_subtree(task.c.area, asked.area), sa.not_(is_open) if asked.is_completed else is_open
    )
    if asked.owner is not None:
        found = found.where(task.c.owner == asked.owner)
    if asked.overdue_at is not None:
        found = found.where(is_open, task.c.due_at < asked.overdue_at)
    if asked.before is not None:
        found = found.where(task.c.task_id < asked.before)
    return [task_of(row) for row in tx.execute(found.order_by(task.c.task_id.desc()).limit(tasks_max))]


def task_of_id(tx: Connection, task_id: UUID) -> Task | None:
    row = tx.execute(sa.select(task).where(task.c.task_id == task_id)).one_or_none()
    return task_of(row) if row else None


@dataclass(frozen=True, slots=True)
class PersonFile:
    """What the ledger holds about one person; `timeline` in order of time, `area` where they live."""

    entries: Sequence[Entry]
    traces: Mapping[UUID, dict[str, Any]]
    area: str | None
    timeline: Sequence[dict[str, Any]]

    @property
    def is_empty(self) -> bool:
        return not (self.entries or self.timeline)

    def part_for(self, reaches: Callable[[str], bool]) -> PersonFile:
        """What those see who do not reach where the person lives.

        Their own entries with what belongs to them, and what happened in their area or was left to it.
        """
        entries = [each for each in self.entries if reaches(each.area) or reaches(each.owner)]
        own = {each.entry_id for each in entries}
        timeline = [
            each
            for each in self.timeline
            if each.get("entry_id") in own
            or (each["what"] in _OF_AN_AREA and (reaches(each["area"]) or reaches(each["owner"])))
        ]
        return PersonFile(entries, self.traces, None, timeline)


_OF_AN_AREA = frozenset(["alarm", "task_opened", "task_completed"])
"""These have an area and an owner of their own; the rest belongs to an entry."""


def person_file(tx: Connection, person_ref: UUID) -> PersonFile:
    found = sa.select(entry).where(entry.c.person_ref == person_ref).order_by(entry.c.entry_id)
    timeline = [
        each
        for query in _timeline_queries(person_ref)
        for each in (dict(row._mapping) for row in tx.execute(query.limit(TIMELINE_MAX)))
    ]
    timeline.sort(key=lambda each: each["at"])
    entries = [entry_of(row) for row in tx.execute(found)]
    return PersonFile(
        entries=entries,
        traces=traces_of(tx, entries),
        area=tx.execute(sa.select(person_area.c.area).where(person_area.c.person_ref == person_ref)).scalar(),
        timeline=timeline,
    )


def _timeline_queries(person_ref: UUID) -> list[Select[Any]]:
    of_person = entry.c.person_ref == person_ref
    steps = (
        sa.select(
            step.c.made_at.label("at"),
            sa.case((step.c.version == 1, "opened"), (step.c.next_deadline.is_(None), "closed"), else_="moved").label(
                "what"
            ),
            entry.c.ledger,
            *step.c[
                "entry_id", "version", "move", "previous_stage", "stage", "owner", "next_deadline", "facts", "made_by"
            ],
        )
        .join(entry, entry.c.entry_id == step.c.entry_id)
        .where(of_person)
        .order_by(step.c.made_at, step.c.version)
    )
    told = columns(evidence, "evidence_id", "entry_id", "kind", "area", "observed_at", "outcome")
    evidence_of = evidence.c.person_ref == person_ref
    ended = evidence.c.ended_at.is_not(None)
    return [
        steps,
        sa.select(evidence.c.found_at.label("at"), sa.literal("evidence_found").label("what"), *told).where(
            evidence_of
        ),
        sa.select(evidence.c.ended_at.label("at"), sa.literal("evidence_ended").label("what"), *told).where(
            evidence_of, ended
        ),
        sa.select(
            meeting.c.recorded_at.label("at"),
            sa.literal("meeting").label("what"),
            meeting.c.contact_entry.label("entry_id"),
            *columns(meeting, "case_entry", "grade", "checkpoint_id", "kind", "area", "met_at", "apart_s", "trace_id"),
        ).where(meeting.c.person_ref == person_ref),
        sa.select(
            trace.c.requested_at.label("at"),
            sa.literal("trace_requested").label("what"),
            *columns(trace, "trace_id", "entry_id", "asked_from", "asked_to", "parts", "parts_taken", "answered_at"),
            *columns(trace, "held_at", "held_contacts"),
            trace_state().label("state"),
        ).where(trace.c.person_ref == person_ref),
        sa.select(
            alarm.c.raised_at.label("at"),
            sa.literal("alarm").label("what"),
            *columns(alarm, "alarm_id", "kind", "entry_id", "owner", "area", "checkpoint_id", "scan_id", "about"),
            *columns(alarm, "count", "last_at"),
        ).where(alarm.c.person_ref == person_ref),
        sa.select(
            task.c.opened_at.label("at"),
            sa.literal("task_opened").label("what"),
            *columns(task, "task_id", "kind", "owner", "area", "due_at", "facts"),
        ).where(task.c.person_ref == person_ref),
        sa.select(
            task.c.completed_at.label("at"),
            sa.literal("task_completed").label("what"),
            *columns(task, "task_id", "kind", "owner", "area", "outcome", "completed_by"),
        ).where(task.c.person_ref == person_ref, task.c.completed_at.is_not(None)),
    ]


def trace_state() -> sa.ColumnElement[str]:
    """`asked`, `held` until a second person approves it, or `answered`."""
    is_held = sa.and_(
        trace.c.held_at.is_not(None), sa.or_(trace.c.answered_at.is_(None), trace.c.answered_at < trace.c.held_at)
    )
    return sa.case((is_held, "held"), (trace.c.answered_at.is_(None), "asked"), else_="answered")


def traces_of(tx: Connection, entries: Sequence[Entry]) -> dict[UUID, dict[str, Any]]:
    """By entry the last trace that it asked for: its id, its state, and how many contacts wait where it is held."""
    ids = sa.cast([each.entry_id for each in entries], sa.ARRAY(sa.Uuid))
    asked = sa.select(trace.c.entry_id, trace.c.trace_id, trace_state().label("state"), trace.c.held_contacts).where(
        trace.c.entry_id == sa.any_(ids)
    )
    rows = tx.execute(asked.order_by(trace.c.requested_at, trace.c.trace_id))
    return {
        row.entry_id: {"trace_id": row.trace_id, "state": row.state}
        | ({"contacts_held": row.held_contacts} if row.state == "held" else {})
        for row in rows
    }
