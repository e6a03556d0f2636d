"""The book in PostgreSQL: what the use cases read and write, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from services.ledger import journal
from services.ledger.domain.alarms import Alarm, AlarmKind, AlarmSubject, Repeats
from services.ledger.domain.colours import ISOLATING, Colour, ColourChange, Reason
from services.ledger.domain.contacts import Grade, HeldTrace, Meeting, Trace, TracePart
from services.ledger.domain.entries import Entry
from services.ledger.domain.evidence import Evidence
from services.ledger.domain.facts import Fact
from services.ledger.domain.happenings import Happening
from services.ledger.domain.records import Record
from services.ledger.domain.tasks import Task
from services.ledger.store.bulk import insert_rows, update_rows
from services.ledger.store.tables import (
    alarm,
    columns,
    entry,
    entry_of,
    entry_row,
    evidence,
    evidence_of_row,
    meeting,
    person_area,
    person_colour,
    step,
    task,
    task_of,
    task_row,
    trace,
)
from services.ledger.use_cases.book import Answer, Met, Step

Tell = Callable[[Connection, Sequence[Happening]], None]


_KNOW_PERSONS = sa.text(
    "INSERT INTO person_colour (person_ref) SELECT unnest(CAST(:persons AS uuid[])) ON CONFLICT DO NOTHING"
)
_LOCK_PERSONS = sa.text(
    "SELECT FROM person_colour WHERE person_ref = ANY(CAST(:persons AS uuid[])) ORDER BY person_ref FOR UPDATE"
)
# Locked in order before they are changed: whoever has no row has nothing open, and no colour that isolates.
_REMEMBER_COLOURS = sa.text("""
WITH locked AS MATERIALIZED (
    SELECT person_ref FROM person_colour WHERE person_ref = ANY(CAST(:persons AS uuid[])) ORDER BY person_ref FOR UPDATE
)
UPDATE person_colour AS known SET colour = told.colour, reasons = told.reasons
FROM locked JOIN json_populate_recordset(CAST(NULL AS person_colour), CAST(:rows AS json)) AS told USING (person_ref)
WHERE known.person_ref = locked.person_ref
""")


class PostgresBook:
    """`tell` puts happenings into the outbox (messages.py knows their words)."""

    def __init__(self, tx: Connection, tell: Tell) -> None:
        self._tx, self._tell = tx, tell

    # -- entries -----------------------------------------------------------------------------------------------------

    def entry(self, entry_id: UUID) -> Entry | None:
        row = self._tx.execute(sa.select(entry).where(entry.c.entry_id == entry_id)).one_or_none()
        return entry_of(row) if row else None

    def lock_entry(self, entry_id: UUID) -> Entry | None:
        found = sa.select(entry).where(entry.c.entry_id == entry_id).with_for_update()
        row = self._tx.execute(found).one_or_none()
        return entry_of(row) if row else None

    def lock_entries(self, entries: Collection[UUID]) -> list[Entry]:
        found = sa.select(entry).where(entry.c.entry_id == _any(entries)).order_by(entry.c.entry_id)
        return [entry_of(row) for row in self._tx.execute(found.with_for_update())]

    def entries_under(
        self,
        versions: Collection[tuple[str, int]],
        barring: Collection[tuple[str, str]],
        after: UUID,
        entries_max: int,
    ) -> list[Entry]:
        lasting = sa.exists().where(evidence.c.entry_id == entry.c.entry_id, evidence.c.ended_at.is_(None))
        is_untold = sa.and_(sa.tuple_(entry.c.ledger, entry.c.stage).in_(sorted(barring)), ~lasting)
        found = sa.select(entry).where(
            entry.c.entry_id > after,
            sa.tuple_(entry.c.ledger, entry.c.definition_version).in_(sorted(versions)),
            sa.or_(entry.c.closed_at.is_(None), is_untold),
        )
        return [entry_of(row) for row in self._tx.execute(found.order_by(entry.c.entry_id).limit(entries_max))]

    def lock_overdue(self, now: datetime, entries_max: int) -> list[Entry]:
        rows = self._tx.execute(
            sa.select(entry)
            .where(
                entry.c.closed_at.is_(None),
                entry.c.escalated_deadline.is_distinct_from(entry.c.next_deadline),
                entry.c.next_deadline < now,
            )
            .order_by(entry.c.next_deadline)
            .limit(entries_max)
            .with_for_update(skip_locked=True)
        )
        return [entry_of(row) for row in rows]

    def ending_entries(self, before: datetime, entries_max: int) -> list[Entry]:
        rows = self._tx.execute(
            sa.select(entry)
            .where(
                entry.c.closed_at.is_(None),
                entry.c.seen_end.is_distinct_from(entry.c.ends_at),
                entry.c.ends_at < before,
            )
            .order_by(entry.c.ends_at, entry.c.entry_id)
            .limit(entries_max)
        )
        return [entry_of(row) for row in rows]

    def open_entries_of(self, persons: Collection[UUID]) -> dict[UUID, list[Entry]]:
        return self._by_person(_open_of(persons)) if persons else {}

    def lock_open_entries_of(self, persons: Collection[UUID]) -> dict[UUID, list[Entry]]:
        return self._by_person(_open_of(persons).with_for_update()) if persons else {}

    def _by_person(self, asked: sa.Select[Any]) -> dict[UUID, list[Entry]]:
        held: dict[UUID, list[Entry]] = {}
        for row in self._tx.execute(asked):
            held.setdefault(row.person_ref, []).append(entry_of(row))
        return held

    def lock_persons(self, persons: Collection[UUID]) -> None:
        if persons:
            self._tx.execute(_KNOW_PERSONS, {"persons": sorted(persons)})
            self._tx.execute(_LOCK_PERSONS, {"persons": sorted(persons)})

    def entries_of(self, persons: Collection[UUID]) -> list[Entry]:
        if not persons:
            return []
        asked = sa.select(entry).where(entry.c.person_ref == _any(persons)).order_by(entry.c.entry_id)
        return [entry_of(row) for row in self._tx.execute(asked)]

    def persons_at(self, persons: Collection[UUID], stages: Collection[tuple[str, str]]) -> set[UUID]:
        if not persons or not stages:
            return set()
        stands = sa.tuple_(entry.c.ledger, entry.c.stage).in_(sorted(stages))
        asked = sa.select(entry.c.person_ref).where(entry.c.person_ref == _any(persons), stands)
        return set(self._tx.execute(asked).scalars())

    def steps_back(self, of: Entry) -> tuple[Step, Step]:
        asked = sa.select(step).where(step.c.entry_id == of.entry_id, step.c.version >= of.version - 1)
        last, before = self._tx.execute(asked.order_by(step.c.version.desc())).all()
        return _step_of(of, last), _step_of(of, before)

    def first_facts(self, entries: Collection[UUID]) -> dict[UUID, Mapping[str, Fact]]:
        if not entries:
            return {}
        asked = sa.select(step.c.entry_id, step.c.facts).where(step.c.entry_id == _any(entries), step.c.version == 1)
        return {row.entry_id: row.facts for row in self._tx.execute(asked)}

    def insert_entries(self, entries: Sequence[Entry], digests: Mapping[UUID, bytes]) -> set[UUID]:
        rows = [entry_row(each) | {"order_digest": digests.get(each.entry_id)} for each in entries]
        rows.sort(key=lambda row: (row["person_ref"], row["ledger"]))
        return set(insert_rows(self._tx, "entry", rows, unless_there=True, returning="entry_id"))

    def update_entries(self, changed: Sequence[Entry]) -> None:
        stage = ("version", "stage", "owner", "next_deadline", "ends_at", "facts")
        closing = ("closed_at", "outcome", "succeeded_by")
        update_rows(self._tx, "entry", "entry_id", stage + closing, [entry_row(each) for each in changed])

    def mark_ends_seen(self, entries: Sequence[Entry]) -> None:
        self._tx.execute(
            sa.update(entry)
            .where(entry.c.entry_id == _any([each.entry_id for each in entries]))
            .values(seen_end=entry.c.ends_at)
        )

    def mark_escalated(self, entries: Sequence[Entry]) -> None:
        self._tx.execute(
            sa.update(entry)
            .where(entry.c.entry_id == _any([each.entry_id for each in entries]))
            .values(escalated_deadline=entry.c.next_deadline)
        )

    def opening_of(self, entry_id: UUID) -> tuple[Answer, bytes | None] | None:
        row = self._tx.execute(
            sa.select(*columns(step, "entry_id", "version", "stage", "owner", "next_deadline"), entry.c.order_digest)
            .join(entry, entry.c.entry_id == step.c.entry_id)
            .where(step.c.entry_id == entry_id, step.c.version == 1)
        ).one_or_none()
        if row is None:
            return None
        return Answer(row.entry_id, row.version, row.stage, row.owner, row.next_deadline), row.order_digest

    def add_steps(self, steps: Sequence[Step]) -> None:
        insert_rows(
            self._tx,
            "step",
            [
                {
                    "entry_id": each.entry.entry_id,
                    "version": each.entry.version,
                    "move": each.move,
                    "previous_stage": each.previous_stage,
                    "stage": each.entry.stage,
                    "owner": each.entry.owner,
                    "next_deadline": each.entry.next_deadline,
                    "facts": dict(each.facts),
                    "made_by": each.by,
                    "made_at": each.at,
                }
                for each in steps
            ],
        )

    # -- evidence ----------------------------------------------------------------------------------------------------

    def add_evidence(self, found: Sequence[Evidence], at: datetime) -> None:
        insert_rows(
            self._tx,
            "evidence",
            [
                {
                    "evidence_id": each.evidence_id,
                    "entry_id": each.entry_id,
                    "person_ref": each.person_ref,
                    "kind": each.kind,
                    "area": each.area,
                    "observed_at": each.observed_at,
                    "revision": each.revision,
                    "found_at": at,
                }
                for each in found
            ],
        )

    def lasting_evidence_of(self, entries: Collection[UUID]) -> dict[UUID, Evidence]:
        if not entries:
            return {}
        lasting = sa.select(evidence).where(evidence.c.entry_id == _any(entries), evidence.c.ended_at.is_(None))
        rows = self._tx.execute(lasting.order_by(evidence.c.evidence_id).with_for_update())
        return {row.entry_id: evidence_of_row(row) for row in rows}

    def change_evidence(self, changed: Sequence[Evidence]) -> None:
        columns = ("observed_at", "revision", "ended_at", "outcome", "succeeded_by")
        rows = [{"evidence_id": each.evidence_id} | {name: getattr(each, name) for name in columns} for each in changed]
        update_rows(self._tx, "evidence", "evidence_id", columns, rows)

    # -- traces and meetings -----------------------------------------------------------------------------------------

    def add_trace(self, asked: Trace) -> None:
        insert_rows(
            self._tx,
            "trace",
            [
                {
                    "trace_id": asked.trace_id,
                    "entry_id": asked.entry_id,
                    "person_ref": asked.person_ref,
                    "asked_from": asked.from_,
                    "asked_to": asked.to,
                    "requested_at": asked.to,
                    "requested_by": asked.requested_by,
                    "revision": asked.revision,
                }
            ],
        )

    def take_part(self, part: TracePart, now: datetime) -> UUID | None:
        taken = (
            sa.update(trace)
            .where(trace.c.trace_id == part.trace_id)
            .values(
                parts=sa.func.greatest(trace.c.parts, part.parts),
                parts_taken=trace.c.parts_taken + 1,
                tracing_rule=part.tracing_rule,
                answered_at=now,
            )
            .returning(trace.c.entry_id)
        )
        return self._tx.execute(taken).scalar_one_or_none()

    def hold_trace(self, held: HeldTrace, now: datetime) -> UUID | None:
        waiting = sa.update(trace).where(trace.c.trace_id == held.trace_id)
        noted = waiting.values(held_at=now, held_contacts=held.contacts).returning(trace.c.entry_id)
        return self._tx.execute(noted).scalar_one_or_none()

    def known_meetings(self, case_entry: UUID, persons: Collection[UUID]) -> set[tuple[UUID, str, str]]:
        if not persons:
            return set()
        known = sa.select(*columns(meeting, "person_ref", "case_scan_id", "contact_scan_id"))
        rows = self._tx.execute(known.where(meeting.c.case_entry == case_entry, meeting.c.person_ref == _any(persons)))
        return {(row.person_ref, row.case_scan_id, row.contact_scan_id) for row in rows}

    def add_meetings(
        self, part: TracePart, case_entry: UUID, meetings: Sequence[Meeting], entries: Mapping[UUID, UUID], at: datetime
    ) -> None:
        rows = [
            {
                "case_entry": case_entry,
                "person_ref": each.person_ref,
                "case_scan_id": each.case_scan_id,
                "contact_scan_id": each.contact_scan_id,
                "trace_id": part.trace_id,
                "contact_entry": entries.get(each.person_ref),
                "grade": each.grade,
                "checkpoint_id": each.checkpoint_id,
                "kind": each.kind,
                "area": each.area,
                "met_at": each.met_at,
                "apart_s": each.apart_s,
                "recorded_at": at,
            }
            for each in meetings
        ]
        insert_rows(self._tx, "meeting", rows, unless_there=True)

    def persons_met_by(self, case_entry: UUID) -> set[UUID]:
        asked = sa.select(meeting.c.person_ref).where(meeting.c.case_entry == case_entry)
        return set(self._tx.execute(asked).scalars())

    def meetings_of(self, persons: Collection[UUID]) -> list[Met]:
        if not persons:
            return []
        kinds = columns(meeting, "person_ref", "case_entry", "grade", "contact_entry")
        met = (
            sa.select(*kinds, sa.func.max(meeting.c.met_at).label("last_met_at"))
            .where(meeting.c.person_ref == _any(persons))
            .group_by(*kinds)
            .subquery()
        )
        asked = sa.select(
            entry, met.c.person_ref.label("contact"), met.c.grade, met.c.last_met_at, met.c.contact_entry
        ).join(met, met.c.case_entry == entry.c.entry_id)
        return [
            Met(row.contact, entry_of(row), Grade(row.grade), row.last_met_at, row.contact_entry)
            for row in self._tx.execute(asked)
        ]

    # -- alarms ------------------------------------------------------------------------------------------------------

    def add_alarms(self, alarms: Sequence[Alarm]) -> set[UUID]:
        rows = [
            {
                "alarm_id": each.alarm_id,
                "kind": each.kind,
                "person_ref": each.person_ref,
                "entry_id": each.entry_id,
                "owner": each.owner,
                "area": each.area,
                "checkpoint_id": each.checkpoint_id,
                "scan_id": each.scan_id,
                "about": each.about,
                "raised_at": each.raised_at,
                "count": each.count,
                "last_at": each.last_at or each.raised_at,
            }
            for each in alarms
        ]
        return set(insert_rows(self._tx, "alarm", rows, unless_there=True, returning="alarm_id"))

    def lock_open_alarms(self, subjects: Collection[AlarmSubject], since: datetime) -> dict[AlarmSubject, UUID]:
        if not subjects:
            return {}
        named = alarm.c["kind", "person_ref", "checkpoint_id", "owner"]
        of_them = sa.select(alarm.c.alarm_id, *named).where(
            alarm.c.person_ref == _any({each.person_ref for each in subjects}),
            alarm.c.checkpoint_id != "",
            sa.func.greatest(alarm.c.raised_at, alarm.c.last_at) >= since,
        )
        rows = self._tx.execute(of_them.order_by(alarm.c.alarm_id).with_for_update())
        found = {
            AlarmSubject(AlarmKind(row.kind), row.person_ref, row.checkpoint_id, row.owner): row.alarm_id
            for row in rows
        }
        return {subject: alarm_id for subject, alarm_id in found.items() if subject in subjects}

    def count_repeats(self, repeats: Sequence[Repeats]) -> None:
        for each in repeats:
            counted = sa.update(alarm).where(alarm.c.alarm_id == each.alarm_id)
            last_at = sa.func.greatest(alarm.c.last_at, each.last_at)
            self._tx.execute(counted.values(count=alarm.c.count + each.count, last_at=last_at))

    # -- tasks -------------------------------------------------------------------------------------------------------

    def add_tasks(self, tasks: Sequence[Task]) -> set[UUID]:
        rows = [task_row(each) for each in tasks]
        return set(insert_rows(self._tx, "task", rows, unless_there=True, returning="task_id"))

    def lock_task(self, task_id: UUID) -> Task | None:
        row = self._tx.execute(sa.select(task).where(task.c.task_id == task_id).with_for_update()).one_or_none()
        return task_of(row) if row else None

    def update_task(self, changed: Task, completed_by: str) -> None:
        values = {name: getattr(changed, name) for name in ("version", "completed_at", "outcome", "facts")}
        changing = sa.update(task).where(task.c.task_id == changed.task_id)
        self._tx.execute(changing.values(**values, completed_by=completed_by))

    def lock_overdue_tasks(self, now: datetime, tasks_max: int) -> list[Task]:
        overdue = (
            sa.select(task)
            .where(task.c.completed_at.is_(None), task.c.escalated_at.is_(None), task.c.due_at < now)
            .order_by(task.c.due_at)
            .limit(tasks_max)
            .with_for_update(skip_locked=True)
        )
        found = [task_of(row) for row in self._tx.execute(overdue)]
        marked = sa.update(task).where(task.c.task_id == _any([each.task_id for each in found]))
        self._tx.execute(marked.values(escalated_at=now))
        return found

    # -- areas, journal, outbox --------------------------------------------------------------------------------------

    def remember_areas(self, areas: Mapping[UUID, str]) -> None:
        if not areas:
            return
        persons = sorted(areas)
        self._tx.execute(
            sa.text(
                "INSERT INTO person_area SELECT * FROM unnest(CAST(:persons AS uuid[]), CAST(:areas AS text[])) "
                "ON CONFLICT (person_ref) DO UPDATE SET area = excluded.area WHERE person_area.area <> excluded.area"
            ),
            {"persons": persons, "areas": [areas[person] for person in persons]},
        )

    def areas_of(self, persons: Collection[UUID]) -> dict[UUID, str]:
        if not persons:
            return {}
        rows = self._tx.execute(sa.select(person_area).where(person_area.c.person_ref == _any(persons)))
        return {row.person_ref: row.area for row in rows}

    def remember_colours(self, changes: Sequence[ColourChange]) -> None:
        last = {change.person_ref: change for change in changes}
        isolating = {person for person, change in last.items() if change.colour in ISOLATING}
        if isolating:
            self._tx.execute(_KNOW_PERSONS, {"persons": sorted(isolating)})
        told = [
            {
                "person_ref": str(person),
                "colour": change.colour if person in isolating else None,
                "reasons": list(map(_written, change.reasons)),
            }
            for person, change in sorted(last.items())
        ]
        if told:
            self._tx.execute(_REMEMBER_COLOURS, {"rows": orjson.dumps(told).decode(), "persons": sorted(last)})

    def colours_of(self, persons: Collection[UUID]) -> dict[UUID, Colour]:
        if not persons:
            return {}
        asked = sa.select(person_colour).where(person_colour.c.person_ref == _any(persons))
        rows = self._tx.execute(asked.where(person_colour.c.colour.is_not(None)))
        return {row.person_ref: Colour(row.colour, tuple(map(_reason_from, row.reasons))) for row in rows}

    def ended_evidence_of(self, persons: Collection[UUID]) -> dict[UUID, frozenset[str]]:
        if not persons:
            return {}
        asked = sa.select(evidence.c.person_ref, evidence.c.evidence_id)
        over = asked.where(evidence.c.person_ref == _any(persons), evidence.c.ended_at.is_not(None))
        ended: dict[UUID, set[str]] = {}
        for row in self._tx.execute(over):
            ended.setdefault(row.person_ref, set()).add(str(row.evidence_id))
        return {person: frozenset(each) for person, each in ended.items()}

    def write_down(self, records: Sequence[Record]) -> None:
        journal.write(self._tx, records)

    def tell(self, happenings: Sequence[Happening]) -> None:
        self._tell(self._tx, happenings)


def _written(reason: Reason) -> dict[str, Any]:
    ends_at = None if reason.ends_at is None else reason.ends_at.isoformat()
    return {"colour": reason.colour, "evidence": sorted(reason.evidence), "ends_at": ends_at}


def _reason_from(written: Mapping[str, Any]) -> Reason:
    ends_at = datetime.fromisoformat(written["ends_at"]) if written.get("ends_at") else None
    return Reason(written["colour"], frozenset(written["evidence"]), ends_at)


def _open_of(persons: Collection[UUID]) -> sa.Select[Any]:
    of_them = sa.select(entry).where(entry.c.person_ref == _any(persons), entry.c.closed_at.is_(None))
    return of_them.order_by(entry.c.entry_id)


def _step_of(of: Entry, row: Any) -> Step:
    """The entry as the step left it, as far as steps tell."""
    stood = replace(of, version=row.version, stage=row.stage, owner=row.owner, next_deadline=row.next_deadline)
    return Step(stood, row.move, row.previous_stage, row.facts, row.made_by, row.made_at)


def _any(persons: Collection[UUID]) -> sa.ColumnElement[Any]:
    return sa.any_(sa.cast(list(persons), sa.ARRAY(sa.Uuid)))
