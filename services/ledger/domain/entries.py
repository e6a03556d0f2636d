"""An entry: one person in one ledger, with one owner and one next deadline as long as it is open."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.ledger.domain.checks import OPENED_AT
from services.ledger.domain.definition import MOVED_AT, Definition, Move, Opens
from services.ledger.domain.errors import MoveRefused
from services.ledger.domain.facts import Fact, date_time_of


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
    succeeded_by: UUID | None = None
    """The entry of the same person that took over, where one did."""
    ends_at: datetime | None = None
    """When the measure lets the person go at the latest; None where it has no set length."""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def definition(self) -> str:
        return f"{self.ledger}@{self.definition_version}"


def deadline_of(
    definition: Definition, stage: str, facts: Mapping[str, Fact], opened_at: datetime, began_at: datetime
) -> datetime:
    """When the stage must be over, which may have passed: a clock that ran before the ledger heard of it has run.

    `began_at` dates a stage whose definition names no fact that is known.
    """
    if (at := _told_deadline(definition, stage, facts)) is not None:
        return at
    due = []
    if (limit := definition.stages[stage].deadline) is not None:
        due.append(min(_named_dates(definition, stage, facts, opened_at), default=began_at) + limit)
    if (end := measure_end(definition, facts, opened_at)) is not None:
        due.append(end)
    return min(due)


def _told_deadline(definition: Definition, stage: str, facts: Mapping[str, Fact]) -> datetime | None:
    name = definition.stages[stage].deadline_at
    return date_time_of(facts, name) if name is not None else None


def measure_end(definition: Definition, facts: Mapping[str, Fact], opened_at: datetime) -> datetime | None:
    """When the ledger lets a person go at the latest; None for a ledger whose measure has no set length."""
    if definition.measure is None:
        return None
    return (date_time_of(facts, definition.measure.since) or opened_at) + definition.measure.lasts


def measure_began(definition: Definition, entry: Entry) -> datetime:
    """When the measure that holds the entry's person began: the last contact of a contact, as far as it is known."""
    end = measure_end(definition, entry.facts, entry.opened_at)
    return entry.opened_at if end is None or definition.measure is None else end - definition.measure.lasts


def _named_dates(definition: Definition, stage: str, facts: Mapping[str, Fact], opened_at: datetime) -> list[datetime]:
    named = definition.stages[stage].deadline_from
    dates = [opened_at if name == OPENED_AT else date_time_of(facts, name) for name in named]
    return [date for date in dates if date is not None]


def _next_deadline(
    definition: Definition, entry: Entry, move: Move, facts: Mapping[str, Fact], at: datetime
) -> datetime:
    """A move that keeps the stage leaves a deadline that counts from a move as it was."""
    if move.to == entry.stage and not move.restarts and entry.next_deadline is not None:
        counts_from_a_move = (
            definition.stages[entry.stage].deadline is not None
            and not _named_dates(definition, entry.stage, facts, entry.opened_at)
            and not _told_deadline(definition, entry.stage, facts)
        )
        if counts_from_a_move:
            return entry.next_deadline
    return deadline_of(definition, move.to, facts, entry.opened_at, at)


def open_entry(
    definition: Definition,
    *,
    entry_id: UUID,
    person_ref: UUID,
    area: str,
    owner: str,
    facts: Mapping[str, Fact],
    opened_at: datetime,
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
        next_deadline=deadline_of(definition, at, facts, opened_at, opened_at),
        opened_at=opened_at,
        closed_at=None,
        outcome=None,
        facts=dict(facts),
        cause=cause or Cause(),
        ends_at=measure_end(definition, facts, opened_at),
    )


def move_entry(
    entry: Entry,
    definition: Definition,
    move: str,
    facts: Mapping[str, Fact],
    began_at: datetime,
    now: datetime,
    *,
    unknown: Collection[str] = (),
) -> Entry:
    """The entry after the move, one version on. Raises `MoveRefused`, which names the moves allowed.

    `began_at` is when what moved it happened, `now` when the ledger knows. What the same move told an earlier time is
    told anew or known no more: an earlier discharge does not date the present one. Nor are the facts in `unknown`.
    """
    moves = definition.stages[entry.stage].moves
    if move not in moves:
        raise MoveRefused(move, entry.stage, definition.stages[entry.stage].orders)
    stage = definition.stages[moves[move].to]
    kept = {name: value for name, value in entry.facts.items() if name not in moves[move].facts and name not in unknown}
    known = {**kept, **facts}
    return replace(
        entry,
        version=entry.version + 1,
        stage=moves[move].to,
        next_deadline=None if stage.is_final else _next_deadline(definition, entry, moves[move], known, began_at),
        closed_at=now if stage.is_final else None,
        outcome=stage.outcome,
        facts=known,
        ends_at=measure_end(definition, known, entry.opened_at),
    )


def take_back(entry: Entry, stood: tuple[str, datetime], told: Mapping[str, Fact], facts: Mapping[str, Fact]) -> Entry:
    """A closed entry where it stood before its last move (stage and deadline), without what that move told."""
    stage, deadline = stood
    known = {name: value for name, value in entry.facts.items() if name not in told}
    return replace(
        entry,
        version=entry.version + 1,
        stage=stage,
        next_deadline=deadline,
        closed_at=None,
        outcome=None,
        facts={**known, **facts},
        succeeded_by=None,
    )


def carried_facts(opens: Opens, entry: Entry, now: datetime) -> dict[str, Fact]:
    """What an entry hands on to the one that its move opens; `entry` is as the move leaves it."""
    known = {**entry.facts, OPENED_AT: entry.opened_at.isoformat(), MOVED_AT: now.isoformat()}
    carried = {}
    for name, sources in opens.facts.items():
        if (source := next((each for each in sources if each in known), None)) is not None:
            carried[name] = known[source]
    return carried


def renew_entry(
    entry: Entry, definition: Definition, facts: Mapping[str, Fact], *, unknown: Collection[str] = ()
) -> Entry:
    """The entry with facts that are known better now, or no more where they are `unknown`, one version on; its stage
    stays, its deadline follows them."""
    known = {**{name: value for name, value in entry.facts.items() if name not in unknown}, **facts}
    keeping = Move(entry.stage, frozenset(), {}, frozenset())
    deadline = _next_deadline(definition, entry, keeping, known, entry.opened_at)
    ends_at = measure_end(definition, known, entry.opened_at)
    return replace(entry, version=entry.version + 1, next_deadline=deadline, facts=known, ends_at=ends_at)
