"""A ledger's definition: its stages and moves as a table, who may act, who owns, and what it tells others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.ledger.domain.areas import Level
from services.ledger.domain.errors import LedgerNotFound
from services.ledger.domain.facts import FactRule, FactType


class Occurrence(StrEnum):
    """What can open or move an entry without a person's order."""

    CONTACT_CLOSE = "contact_close"
    CONTACT_GENERAL = "contact_general"
    COLOUR_GREEN = "colour_green"
    COLOUR_YELLOW = "colour_yellow"
    COLOUR_RED = "colour_red"


@dataclass(frozen=True, slots=True)
class Words:
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Move:
    """`roles` may order it; `upon` an occurrence it is made by itself. A move needs at least one of the two."""

    to: str
    roles: frozenset[str]
    facts: Mapping[str, FactRule]
    upon: frozenset[Occurrence]


@dataclass(frozen=True, slots=True)
class Stage:
    """An open stage has a deadline; a final one has an outcome and an empty row of moves.

    `evidence` is what codes is told while an entry stands here. `is_void`: the entry should never have been opened, so
    nothing more may follow from it.
    """

    title: Words
    deadline: timedelta | None
    evidence: str | None
    outcome: str | None
    is_void: bool
    moves: Mapping[str, Move]

    @property
    def is_final(self) -> bool:
        return self.outcome is not None

    def move_upon(self, occurrence: Occurrence) -> str | None:
        return next((name for name, move in self.moves.items() if occurrence in move.upon), None)


@dataclass(frozen=True, slots=True)
class Opening:
    stage: str
    roles: frozenset[str]
    facts: Mapping[str, FactRule]


@dataclass(frozen=True, slots=True)
class TraceRule:
    """A trace is asked for on opening: from `look_back` before the fact until now."""

    fact: str
    look_back: timedelta


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a ledger. `strength` orders ledgers: a person in a stronger one is not opened in a weaker one.

    `observed_at` names the fact that dates the evidence; without it, it is dated by the opening.
    """

    ledger: str
    version: int
    valid_from: datetime
    title: Words
    legal_basis: Words
    owner_level: Level
    strength: int
    opening: Opening
    opens_on: Mapping[Occurrence, str]
    stages: Mapping[str, Stage]
    observed_at: str | None
    trace: TraceRule | None

    @property
    def name(self) -> str:
        return f"{self.ledger}@{self.version}"


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Every version of every ledger; an entry keeps the version that it was opened under."""

    definitions: Sequence[Definition]

    def current(self, now: datetime) -> list[Definition]:
        valid = sorted((each for each in self.definitions if each.valid_from <= now), key=lambda each: each.version)
        return list({each.ledger: each for each in valid}.values())

    def named(self, ledger: str, now: datetime) -> Definition:
        """The version in force. Raises `LedgerNotFound`."""
        for definition in self.current(now):
            if definition.ledger == ledger:
                return definition
        raise LedgerNotFound

    def version(self, ledger: str, version: int) -> Definition:
        """The version an entry was opened under. Raises `LedgerNotFound`."""
        for definition in self.definitions:
            if (definition.ledger, definition.version) == (ledger, version):
                return definition
        raise LedgerNotFound(f"The definition {ledger}@{version} is not among the definitions here.")

    def opened_by(self, occurrence: Occurrence, now: datetime) -> Definition | None:
        return next((each for each in self.current(now) if occurrence in each.opens_on), None)


def problems_of(definition: Definition) -> list[str]:
    """Everything that makes the definition unusable; each line names the stage or move."""
    return [f"{definition.name}: {problem}" for problem in _problems(definition)]


def _problems(definition: Definition) -> Iterator[str]:
    starts = {definition.opening.stage, *definition.opens_on.values()}
    for start in sorted(starts):
        if start not in definition.stages or definition.stages[start].is_final:
            yield f"opens at {start}, which is not an open stage"
    yield from _stage_problems(definition)
    for unreached in sorted(definition.stages.keys() - _reached(definition, starts)):
        yield f"the stage {unreached} cannot be reached"
    for name in sorted(definition.stages):
        if not any(definition.stages[each].is_final for each in _reached(definition, {name})):
            yield f"from the stage {name} the end cannot be reached"
    yield from _fact_problems(definition)


def _stage_problems(definition: Definition) -> Iterator[str]:
    for name, stage in definition.stages.items():
        if stage.is_final and (stage.moves or stage.deadline or stage.evidence):
            yield f"the final stage {name} has moves, a deadline or evidence"
        if not stage.is_final and not stage.deadline:
            yield f"the open stage {name} has no deadline"
        for move_name, move in stage.moves.items():
            if move.to not in definition.stages:
                yield f"the move {name}.{move_name} leads to {move.to}, which does not exist"
            if not move.roles and not move.upon:
                yield f"the move {name}.{move_name} can be made by nobody"
        automatic = [occurrence for move in stage.moves.values() for occurrence in move.upon]
        if len(automatic) != len(set(automatic)):
            yield f"at the stage {name} one occurrence makes two moves"


def _fact_problems(definition: Definition) -> Iterator[str]:
    dates = [definition.observed_at, definition.trace.fact if definition.trace else None]
    for fact in filter(None, dates):
        rule = definition.opening.facts.get(fact)
        if rule is None or rule.type != FactType.DATE_TIME:
            yield f"the opening has no date-time fact {fact}"
    if definition.trace and not getattr(definition.opening.facts.get(definition.trace.fact), "is_required", False):
        yield f"the trace needs the fact {definition.trace.fact}, which is not required"


def _reached(definition: Definition, starts: set[str]) -> set[str]:
    reached, waiting = set(), list(starts)
    while waiting:
        name = waiting.pop()
        if name not in reached and name in definition.stages:
            reached.add(name)
            waiting.extend(move.to for move in definition.stages[name].moves.values())
    return reached
