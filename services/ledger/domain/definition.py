"""A ledger's definition: its stages and moves as a table, who may act, who owns, and what it tells others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from city.areas import Level
from services.ledger.domain.checks import OPENED_AT, Check, Words
from services.ledger.domain.errors import LedgerNotFound
from services.ledger.domain.facts import FactRule, FactType


class Occurrence(StrEnum):
    """What can open or move an entry without a person's order."""

    CONTACT_CLOSE = "contact_close"
    CONTACT_GENERAL = "contact_general"
    COLOUR_GREEN = "colour_green"
    COLOUR_YELLOW = "colour_yellow"
    COLOUR_RED = "colour_red"
    COLOUR_LAPSED = "colour_lapsed"
    ENTRY_OPENED = "entry_opened"
    """A stronger ledger has opened an entry for the person, and answers for them now."""
    CASE_REFUTED = "case_refuted"
    """Every case that made the person a contact was none after all."""
    PERSON_DIED = "person_died"


CONTACTS = frozenset({Occurrence.CONTACT_CLOSE, Occurrence.CONTACT_GENERAL})
COLOURS = frozenset({Occurrence.COLOUR_YELLOW, Occurrence.COLOUR_RED})

LIFTS_AT = "lifts_at"
"""The fact that yellow and red tell: when time alone leaves neither, as codes says; unknown where time does not."""


MOVED_AT = "moved_at"
"""Named like a fact where a move that opens another entry gives it the moment of the move."""


@dataclass(frozen=True, slots=True)
class Opens:
    """The entry that a move opens in another ledger for the same person, in the same transaction.

    `facts` says for each fact of the new entry where it comes from: the first of these facts of the entry or the move
    that is known. `stage` is the other ledger's opening stage where it is None.
    """

    ledger: str
    facts: Mapping[str, tuple[str, ...]]
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """`roles` may order it; `upon` an occurrence it is made by itself. A move needs at least one of the two.

    A move that keeps the stage (`transfer`, `review`) starts its deadline anew only where `restarts` says so. A move
    that `opens` another ledger's entry is made by itself too when that entry is opened in another way. `only_in` bounds
    a closing to colours (as codes calls them) that the person's code may have; a colour that was never told bounds
    nothing.
    """

    to: str
    roles: frozenset[str]
    facts: Mapping[str, FactRule]
    upon: frozenset[Occurrence]
    restarts: bool = False
    opens: Opens | None = None
    only_in: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Correction:
    """Takes the move back that closed an entry by mistake: the entry stands again where it stood before."""

    roles: frozenset[str]
    facts: Mapping[str, FactRule]


@dataclass(frozen=True, slots=True)
class Stage:
    """An open stage has a deadline; a final one has an outcome and an empty row of moves.

    `deadline` counts from the earliest of the facts in `deadline_from` that are known, else from the move that led
    here. Where the fact `deadline_at` is known, it is the deadline itself. `evidence` is what codes is told while an
    entry stands here. `is_void`: the entry should never have been opened, so nothing more may follow from it. While an
    entry stands at a stage that `bars`, nothing is opened for the person in any ledger. `corrections` lead out of a
    final stage; only such a stage may give evidence although it is final.
    """

    title: Words
    deadline: timedelta | None
    evidence: str | None
    outcome: str | None
    is_void: bool
    moves: Mapping[str, Move]
    deadline_from: tuple[str, ...] = ()
    deadline_at: str | None = None
    bars: bool = False
    corrections: Mapping[str, Correction] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        return self.outcome is not None

    def move_upon(self, occurrence: Occurrence) -> str | None:
        return next((name for name, move in self.moves.items() if occurrence in move.upon), None)

    def move_into(self, ledger: str) -> str | None:
        """The move that hands the person over to the ledger, when that has opened an entry."""
        into = (name for name, move in self.moves.items() if move.opens and move.opens.ledger == ledger)
        return next(into, None) or self.move_upon(Occurrence.ENTRY_OPENED)

    @property
    def orderable(self) -> list[Move | Correction]:
        return [*self.moves.values(), *self.corrections.values()]

    @property
    def orders(self) -> list[str]:
        """What a person may order here."""
        return [*(name for name, move in self.moves.items() if move.roles), *self.corrections]


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


COLOUR_WORDS = frozenset({"green", "yellow", "red", "lapsed"})


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
    checks: tuple[Check, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.ledger}@{self.version}"

    @property
    def is_of_colours(self) -> bool:
        """Whether the ledger holds people because of their colour."""
        return not self.opens_on.keys().isdisjoint(COLOURS)

    @property
    def is_of_contacts(self) -> bool:
        """Whether the ledger holds people because of a case that they met."""
        return not self.opens_on.keys().isdisjoint(CONTACTS)


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

    def amended(self, now: datetime) -> frozenset[tuple[str, int]]:
        """(ledger, version) of those that another amends by now."""
        return frozenset(
            (each.ledger, each.version) for each in self.definitions if self._amendment(each, now) is not None
        )

    def _amendment(self, of: Definition, now: datetime) -> Definition | None:
        valid = (each for each in self.definitions if each.ledger == of.ledger and each.valid_from <= now)
        return max((each for each in valid if each.amends == of.version), key=lambda each: each.version, default=None)

    def barring_stages(self, now: datetime) -> frozenset[tuple[str, str]]:
        """(ledger, stage) where an entry keeps every other from being opened for its person."""
        return frozenset(
            (each.ledger, name) for each in self.current(now) for name, stage in each.stages.items() if stage.bars
        )

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
        if stage.is_final and (stage.moves or stage.deadline or stage.deadline_from or stage.deadline_at):
            yield f"the final stage {name} has moves or a deadline"
        if stage.is_final and stage.evidence and not stage.corrections:
            yield f"the final stage {name} gives evidence that no correction can end"
        if stage.corrections and not stage.is_final:
            yield f"the open stage {name} has corrections, which lead out of a final one"
        if stage.bars and not stage.corrections:
            yield f"the stage {name} bars every opening, and no correction leads out of it"
        for correction_name, correction in stage.corrections.items():
            if not correction.roles:
                yield f"the correction {name}.{correction_name} can be made by nobody"
        if not stage.is_final and not stage.deadline and not definition.measure:
            yield f"the open stage {name} has no deadline"
        for move_name, move in stage.moves.items():
            if move.to not in definition.stages:
                yield f"the move {name}.{move_name} leads to {move.to}, which does not exist"
            if not move.roles and not move.upon:
                yield f"the move {name}.{move_name} can be made by nobody"
            if move.opens and not (move.to in definition.stages and definition.stages[move.to].is_final):
                yield f"the move {name}.{move_name} opens another entry without closing its own"
            if move.only_in and not move.roles:
                yield f"the move {name}.{move_name} is bound to colours, and nobody orders it"
            if unknown := move.only_in - COLOUR_WORDS:
                yield f"the move {name}.{move_name} is bound to {', '.join(sorted(unknown))}, which is no colour"
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
    told = known | ({LIFTS_AT} if COLOURS & definition.opens_on.keys() else set())
    for name, stage in definition.stages.items():
        if stage.deadline_at is not None and stage.deadline_at not in told:
            yield f"the deadline of the stage {name} is {stage.deadline_at}, which is no date-time fact"
        for fact in stage.deadline_from:
            if fact not in known:
                yield f"the deadline of the stage {name} counts from {fact}, which is no date-time fact"
        if definition.measure and stage.deadline and not stage.deadline_from:
            yield f"the deadline of the stage {name} names no fact that it counts from, as a measure asks for"
    for check in definition.checks:
        for fact in (check.fact, check.not_before):
            if fact not in known:
                yield f"the check of {check.fact} against {check.not_before}: {fact} is no date-time fact"


def facts_of(definition: Definition) -> dict[str, FactRule]:
    """Every fact that the opening or a move may tell."""
    facts = dict(definition.opening.facts)
    for stage in definition.stages.values():
        for move in stage.orderable:
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
            if kept is None or kept.outcome != stage.outcome or (kept.evidence != stage.evidence and not kept.is_final):
                yield f"{each.name}: amends {amended.name if amended else ''} without keeping its stage {name}"


def opening_problems(definitions: Sequence[Definition]) -> Iterator[str]:
    """A move that opens another ledger's entry gives every version of that ledger what it asks for."""
    for each in definitions:
        for stage_name, stage in each.stages.items():
            for move_name, move in stage.moves.items():
                if move.opens:
                    place = f"{each.name}: the move {stage_name}.{move_name}"
                    yield from _opens_problems(place, each, move, move.opens, definitions)


def _opens_problems(
    place: str, definition: Definition, move: Move, opens: Opens, definitions: Sequence[Definition]
) -> Iterator[str]:
    targets = [each for each in definitions if each.ledger == opens.ledger]
    if not targets:
        yield f"{place} opens {opens.ledger}, which is no ledger"
    told = {**definition.opening.facts, **facts_of(definition), **move.facts}
    for target in targets:
        rules = target.opening.facts
        if opens.stage is not None and (opens.stage not in target.stages or target.stages[opens.stage].is_final):
            yield f"{place} opens {target.name} at {opens.stage}, which is not an open stage"
        for missing in sorted(name for name, rule in rules.items() if rule.is_required and name not in opens.facts):
            yield f"{place} opens {target.name} without {missing}, which is required there"
        for name, sources in opens.facts.items():
            if name not in rules:
                yield f"{place} gives {target.name} the fact {name}, which is not known there"
                continue
            for source in sources:
                type_ = (
                    FactType.DATE_TIME if source in (MOVED_AT, OPENED_AT) else getattr(told.get(source), "type", None)
                )
                if type_ != rules[name].type:
                    yield f"{place} gives {target.name} {source} for {name}, which is not of its type"
            if rules[name].is_required and MOVED_AT not in sources and not _is_required(told, sources):
                yield f"{place} may open {target.name} without {name}, which is required there"


def _is_required(rules: Mapping[str, FactRule], sources: tuple[str, ...]) -> bool:
    return any(source == OPENED_AT or rules[source].is_required for source in sources if source in rules)


def _reached(definition: Definition, starts: set[str]) -> set[str]:
    reached, waiting = set(), list(starts)
    while waiting:
        name = waiting.pop()
        if name not in reached and name in definition.stages:
            reached.add(name)
            waiting.extend(move.to for move in definition.stages[name].moves.values())
    return reached
