"""The tables, as SQLAlchemy names them; migrations/ says what they hold to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from services.ledger.domain.entries import Cause, Entry
from services.ledger.domain.evidence import Evidence
from services.ledger.domain.tasks import Task, TaskKind, TaskOutcome

_METADATA = sa.MetaData()
_TIME = sa.DateTime(timezone=True)


def _table(name: str, /, **kinds: Any) -> sa.Table:
    return sa.Table(name, _METADATA, *(sa.Column(column, kind) for column, kind in kinds.items()))


def columns(table: sa.Table, *names: str) -> list[sa.Column[Any]]:
    return [table.c[name] for name in names]


entry = _table(
    "entry",
    entry_id=sa.Uuid,
    ledger=sa.Text,
    definition_version=sa.Integer,
    person_ref=sa.Uuid,
    area=sa.Text,
    version=sa.Integer,
    stage=sa.Text,
    owner=sa.Text,
    next_deadline=_TIME,
    opened_at=_TIME,
    closed_at=_TIME,
    outcome=sa.Text,
    facts=JSONB,
    caused_by_entry=sa.Uuid,
    caused_by_event=sa.Uuid,
    succeeded_by=sa.Uuid,
    order_digest=sa.LargeBinary,
    escalated_deadline=_TIME,
    ends_at=_TIME,
    seen_end=_TIME,
)
step = _table(
    "step",
    entry_id=sa.Uuid,
    version=sa.Integer,
    move=sa.Text,
    previous_stage=sa.Text,
    stage=sa.Text,
    owner=sa.Text,
    next_deadline=_TIME,
    facts=JSONB,
    made_by=sa.Text,
    made_at=_TIME,
)
evidence = _table(
    "evidence",
    evidence_id=sa.Uuid,
    entry_id=sa.Uuid,
    person_ref=sa.Uuid,
    kind=sa.Text,
    area=sa.Text,
    observed_at=_TIME,
    found_at=_TIME,
    revision=sa.Integer,
    ended_at=_TIME,
    outcome=sa.Text,
    succeeded_by=sa.Uuid,
)
trace = _table(
    "trace",
    trace_id=sa.Uuid,
    entry_id=sa.Uuid,
    person_ref=sa.Uuid,
    asked_from=_TIME,
    asked_to=_TIME,
    requested_at=_TIME,
    parts=sa.Integer,
    parts_taken=sa.Integer,
    tracing_rule=sa.Text,
    answered_at=_TIME,
    requested_by=sa.Uuid,
    revision=sa.Integer,
    held_at=_TIME,
    held_contacts=sa.Integer,
)
meeting = _table(
    "meeting",
    case_entry=sa.Uuid,
    person_ref=sa.Uuid,
    case_scan_id=sa.Text,
    contact_scan_id=sa.Text,
    trace_id=sa.Uuid,
    contact_entry=sa.Uuid,
    grade=sa.Text,
    checkpoint_id=sa.Text,
    kind=sa.Text,
    area=sa.Text,
    met_at=_TIME,
    apart_s=sa.Double,
    recorded_at=_TIME,
)
alarm = _table(
    "alarm",
    alarm_id=sa.Uuid,
    kind=sa.Text,
    person_ref=sa.Uuid,
    entry_id=sa.Uuid,
    owner=sa.Text,
    area=sa.Text,
    checkpoint_id=sa.Text,
    scan_id=sa.Text,
    about=sa.Text,
    raised_at=_TIME,
    count=sa.Integer,
    last_at=_TIME,
)
task = _table(
    "task",
    task_id=sa.Uuid,
    kind=sa.Text,
    person_ref=sa.Uuid,
    owner=sa.Text,
    area=sa.Text,
    due_at=_TIME,
    opened_at=_TIME,
    cause_id=sa.Uuid,
    facts=JSONB,
    version=sa.Integer,
    completed_at=_TIME,
    completed_by=sa.Text,
    outcome=sa.Text,
    escalated_at=_TIME,
)
person = _table("person", person_ref=sa.Uuid, name=sa.LargeBinary, phone=sa.LargeBinary, updated_at=_TIME)
person_colour = _table("person_colour", person_ref=sa.Uuid, colour=sa.Text, reasons=JSONB)
naming = _table(
    "naming",
    naming_id=sa.BigInteger,
    person_ref=sa.Uuid,
    kind=sa.Text,
    area=sa.Text,
    name=sa.LargeBinary,
    phone=sa.LargeBinary,
    reason=sa.Text,
    named_by=sa.Text,
    named_at=_TIME,
)
person_area = _table("person_area", person_ref=sa.Uuid, area=sa.Text)


def entry_of(row: Any) -> Entry:
    return Entry(
        entry_id=row.entry_id,
        ledger=row.ledger,
        definition_version=row.definition_version,
        person_ref=row.person_ref,
        area=row.area,
        version=row.version,
        stage=row.stage,
        owner=row.owner,
        next_deadline=row.next_deadline,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        outcome=row.outcome,
        facts=row.facts,
        cause=Cause(row.caused_by_entry, row.caused_by_event),
        succeeded_by=row.succeeded_by,
        ends_at=row.ends_at,
    )


def entry_row(of: Entry) -> dict[str, Any]:
    return {
        "entry_id": of.entry_id,
        "ledger": of.ledger,
        "definition_version": of.definition_version,
        "person_ref": of.person_ref,
        "area": of.area,
        "version": of.version,
        "stage": of.stage,
        "owner": of.owner,
        "next_deadline": of.next_deadline,
        "opened_at": of.opened_at,
        "closed_at": of.closed_at,
        "outcome": of.outcome,
        "facts": dict(of.facts),
        "caused_by_entry": of.cause.entry_id,
        "caused_by_event": of.cause.event_id,
        "succeeded_by": of.succeeded_by,
        "ends_at": of.ends_at,
    }


def evidence_of_row(row: Any) -> Evidence:
    return Evidence(
        evidence_id=row.evidence_id,
        entry_id=row.entry_id,
        person_ref=row.person_ref,
        kind=row.kind,
        area=row.area,
        observed_at=row.observed_at,
        revision=row.revision,
        ended_at=row.ended_at,
        outcome=row.outcome,
        succeeded_by=row.succeeded_by,
    )


def task_of(row: Any) -> Task:
    return Task(
        task_id=row.task_id,
        kind=TaskKind(row.kind),
        person_ref=row.person_ref,
        owner=row.owner,
        area=row.area,
        due_at=row.due_at,
        opened_at=row.opened_at,
        cause_id=row.cause_id,
        facts=row.facts,
        version=row.version,
        completed_at=row.completed_at,
        outcome=None if row.outcome is None else TaskOutcome(row.outcome),
    )


def task_row(of: Task) -> dict[str, Any]:
    return {
        "task_id": of.task_id,
        "kind": of.kind,
        "person_ref": of.person_ref,
        "owner": of.owner,
        "area": of.area,
        "due_at": of.due_at,
        "opened_at": of.opened_at,
        "cause_id": of.cause_id,
        "facts": dict(of.facts),
        "version": of.version,
    }
