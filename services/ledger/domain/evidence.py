"""Evidence: what an entry tells codes about its person, for as long as it stands at a stage that gives it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from chassis.ids import uuid7
from services.ledger.domain.definition import Definition
from services.ledger.domain.entries import Entry
from services.ledger.domain.facts import date_time_of


@dataclass(frozen=True, slots=True)
class Evidence:
    """`revision` is 1 when found, one higher each time it is dated anew, and when it ends.

    Evidence that ended is `succeeded_by` other evidence of the person where an entry handed the person on: it counts
    until that is known, in whatever order the two are heard.
    """

    evidence_id: UUID
    entry_id: UUID
    person_ref: UUID
    kind: str
    area: str
    observed_at: datetime
    revision: int = 1
    ended_at: datetime | None = None
    outcome: str | None = None
    succeeded_by: UUID | None = None


def evidence_of(entry: Entry, definition: Definition, now: datetime) -> Evidence | None:
    """The evidence of the stage that the entry stands at; None where the stage gives none."""
    kind = definition.stages[entry.stage].evidence
    if kind is None:
        return None
    observed_at = observed_at_of(entry, definition)
    return Evidence(uuid7(now), entry.entry_id, entry.person_ref, kind, entry.area, observed_at)


def observed_at_of(entry: Entry, definition: Definition) -> datetime:
    dated = date_time_of(entry.facts, definition.observed_at) if definition.observed_at else None
    return dated or entry.opened_at


def dated_anew(evidence: Evidence, observed_at: datetime) -> Evidence:
    return replace(evidence, revision=evidence.revision + 1, observed_at=observed_at)


def ended(evidence: Evidence, outcome: str, at: datetime, successor: UUID | None) -> Evidence:
    revision = evidence.revision + 1
    return replace(evidence, revision=revision, ended_at=at, outcome=outcome, succeeded_by=successor)
