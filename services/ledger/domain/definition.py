"""A ledger's definition: its stages and moves as a table, who may act, who owns, and what it tells others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from city.areas import Level
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
    """`roles` may order it; `upon` an occurrence it is made by itself. A move needs at least one of the two.

    A move that keeps the stage (`transfer`, `review`) starts its deadline anew only where `restarts` says so.
    """

    to: str
    roles: frozenset[str]
    facts: Mapping[str, FactRule]
    upon: frozenset[Occurrence]
    restarts: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """An open stage has a deadline; a final one has an outcome and an empty row of moves.

    `deadline` counts from the earliest of the facts in `deadline_from` that are known, else from the move that led
    here. `evidence` is what codes is told while an entry stands here. `is_void`: the entry should never have been
    opened, so nothing more may follow from it.
    """

    title: Words
    deadline: timedelta | None
    evidence: str | None
    outcome: str | None
    is_void: bool
    moves: Mapping[str, Move]
    deadline_from: tuple[str, ...] = ()

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
class Measure:
    """How long the ledger holds a person: `lasts` from the fact `since`, or from the opening where it is not known."""

    since: str
    lasts: timedelta


OPENED_AT = "opened_at"
"""Named like a fact where a definition dates something by the opening of the entry."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a ledger. `strength` orders ledgers: a person in a stronger one is not opened in a weaker one.

    `observed_at` names the fact that dates the evidence; without it, it is dated by the opening. With a `measure` no
    deadline lies beyond its end. A version that `amends` an earlier one mends a mistake of it: entries that were opened
    under the earlier one are kept by the rules of this one, once it is valid (ADR D20).
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
    measure: Measure | None = None
    amends: int | None = None

    @property
    def name(self) -> str:
        return f"{self.ledger}@{self.version}"


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Every version of every ledger; an entry keeps the version that it was opened under, unless one amends it."""

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

    def rules_for(self, ledger: str, version: int, now: datetime) -> Definition:
        """What an entry that was opened under the version is kept by. Raises `LedgerNotFound`."""
        definition = self.version(ledger, version)
        while (amendment := self._amendment(definition, now)) is not None:
            definition = amendment
        return definition

    def _amendment(self, of: Definition, now: datetime) -> Definition | None:
        valid = (each for each in self.definitions if each.ledger == of.ledger and each.valid_from <= now)
        return max((each for each in valid if each.amends == of.version), key=lambda each: each.version, default=None)

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
    yield from _date_problems(definition)
    if definition.amends is not None and definition.amends >= definition.version:
        yield f"amends version {definition.amends}, which is not an earlier one"


def _stage_problems(definition: Definition) -> Iterator[str]:
    for name, stage in definition.stages.items():
        if stage.is_final and (stage.moves or stage.deadline or stage.deadline_from or stage.evidence):
            yield f"the final stage {name} has moves, a deadline or evidence"
        if not stage.is_final and not stage.deadline and not definition.measure:
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
    dates = [
        definition.observed_at,
        definition.trace.fact if definition.trace else None,
        definition.measure.since if definition.measure else None,
    ]
    for fact in filter(None, dates):
        rule = definition.opening.facts.get(fact)
        if rule is None or rule.type != FactType.DATE_TIME:
            yield f"the opening has no date-time fact {fact}"
    if definition.trace and not getattr(definition.opening.facts.get(definition.trace.fact), "is_required", False):
        yield f"the trace needs the fact {definition.trace.fact}, which is not required"


def _date_problems(definition: Definition) -> Iterator[str]:
    known = {OPENED_AT, *(name for name, rule in facts_of(definition).items() if rule.type == FactType.DATE_TIME)}
    for name, stage in definition.stages.items():
        for fact in stage.deadline_from:
            if fact not in known:
                yield f"the deadline of the stage {name} counts from {fact}, which is no date-time fact"
        if definition.measure and stage.deadline and not stage.deadline_from:
            yield f"the deadline of the stage {name} names no fact that it counts from, as a measure asks for"


def facts_of(definition: Definition) -> dict[str, FactRule]:
    """Every fact that the opening or a move may tell."""
    facts = dict(definition.opening.facts)
    for stage in definition.stages.values():
        for move in stage.moves.values():
            facts |= move.facts
    return facts


def amendment_problems(definitions: Sequence[Definition]) -> Iterator[str]:
    """An amendment keeps every stage of the version that it amends, so that an entry that stands there has a row."""
    by_name = {(each.ledger, each.version): each for each in definitions}
    for each in definitions:
        amended = by_name.get((each.ledger, each.amends or 0))
        if each.amends is not None and amended is None:
            yield f"{each.name}: amends version {each.amends}, which is not there"
        for name, stage in amended.stages.items() if amended else ():
            kept = each.stages.get(name)
            if kept is None or (kept.outcome, kept.evidence) != (stage.outcome, stage.evidence):
                yield f"{each.name}: amends {amended.name if amended else ''} without keeping its stage {name}"


def _reached(definition: Definition, starts: set[str]) -> set[str]:
    reached, waiting = set(), list(starts)
    while waiting:
        name = waiting.pop()
        if name not in reached and name in definition.stages:
            reached.add(name)
            waiting.extend(move.to for move in definition.stages[name].moves.values())
    return reached
