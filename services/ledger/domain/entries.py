"""An entry: one person in one ledger, with one owner and one next deadline as long as it is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.ledger.domain.definition import Definition, Stage
from services.ledger.domain.errors import MoveRefused
from services.ledger.domain.facts import Fact


@dataclass(frozen=True, slots=True)
class Cause:
    """What opened an entry where no person did: the entry and the event before it."""

    entry_id: UUID | None = None
    event_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    entry_id: UUID
    ledger: str
    definition_version: int
    person_ref: UUID
    area: str
    version: int
    stage: str
    owner: str
    next_deadline: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    outcome: str | None
    facts: Mapping[str, Fact]
    cause: Cause

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def definition(self) -> str:
        return f"{self.ledger}@{self.definition_version}"


def deadline_of(stage: Stage, began_at: datetime, now: datetime) -> datetime:
    """When the stage must be over. Nobody is given a deadline that has passed: then it counts from now."""
    limit = stage.deadline or timedelta()
    deadline = began_at + limit
    return deadline if deadline > now else now + limit


def open_entry(
    definition: Definition,
    *,
    entry_id: UUID,
    person_ref: UUID,
    area: str,
    owner: str,
    facts: Mapping[str, Fact],
    opened_at: datetime,
    now: datetime,
    stage: str | None = None,
    cause: Cause | None = None,
) -> Entry:
    """A new entry at the definition's opening stage, or at the one an occurrence opens it at."""
    at = stage or definition.opening.stage
    return Entry(
        entry_id=entry_id,
        ledger=definition.ledger,
        definition_version=definition.version,
        person_ref=person_ref,
        area=area,
        version=1,
        stage=at,
        owner=owner,
        next_deadline=deadline_of(definition.stages[at], opened_at, now),
        opened_at=opened_at,
        closed_at=None,
        outcome=None,
        facts=dict(facts),
        cause=cause or Cause(),
    )


def move_entry(
    entry: Entry, definition: Definition, move: str, facts: Mapping[str, Fact], began_at: datetime, now: datetime
) -> Entry:
    """The entry after the move, one version on. Raises `MoveRefused`, which names the moves allowed."""
    moves = definition.stages[entry.stage].moves
    if move not in moves:
        raise MoveRefused(move, entry.stage, [name for name, each in moves.items() if each.roles])
    stage = definition.stages[moves[move].to]
    return replace(
        entry,
        version=entry.version + 1,
        stage=moves[move].to,
        next_deadline=None if stage.is_final else deadline_of(stage, began_at, now),
        closed_at=now if stage.is_final else None,
        outcome=stage.outcome,
        facts={**entry.facts, **facts},
    )
