"""The definitions as files: YAML read at start, refused with every problem listed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.auth import ROLES
from chassis.fields import DateTime
from chassis.settings import SettingsError
from city.areas import Level
from services.ledger.domain.checks import Check, Words
from services.ledger.domain.definition import (
    Correction,
    Definition,
    Ledgers,
    Measure,
    Move,
    Occurrence,
    Opening,
    Opens,
    Stage,
    TraceRule,
    amendment_problems,
    opening_problems,
    problems_of,
)
from services.ledger.domain.facts import FactRule, FactType

PACKAGED = Path(__file__).parent / "definitions"

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
Role = Annotated[str, Field(json_schema_extra={"enum": sorted(ROLES)})]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Words(_Form):
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def words(self) -> Words:
        return Words(self.zh, self.en)


class _Fact(_Form):
    type: FactType
    required: bool = False
    past_days_max: int | None = Field(default=None, ge=1)
    choices: tuple[Name, ...] = ()

    def rule(self) -> FactRule:
        return FactRule(self.type, self.required, self.past_days_max, self.choices)


class _Opens(_Form):
    ledger: Name
    stage: Name | None = None
    facts: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)

    def opens(self) -> Opens:
        return Opens(self.ledger, self.facts, self.stage)


class _Move(_Form):
    to: Name
    roles: tuple[Role, ...] = ()
    upon: tuple[Occurrence, ...] = ()
    facts: dict[Name, _Fact] = Field(default_factory=dict)
    restarts: bool = False
    opens: _Opens | None = None
    only_in: tuple[Name, ...] = ()

    def move(self) -> Move:
        return Move(
            to=self.to,
            roles=frozenset(self.roles),
            facts=_rules(self.facts),
            upon=frozenset(self.upon),
            restarts=self.restarts,
            opens=self.opens.opens() if self.opens else None,
            only_in=frozenset(self.only_in),
        )


class _Correction(_Form):
    roles: tuple[Role, ...]
    facts: dict[Name, _Fact] = Field(default_factory=dict)

    def correction(self) -> Correction:
        return Correction(frozenset(self.roles), _rules(self.facts))


class _Check(_Form):
    fact: Name
    not_before: Name
    text: _Words

    def check(self) -> Check:
        return Check(self.fact, self.not_before, self.text.words())


class _Stage(_Form):
    title: _Words
    deadline_hours: float | None = Field(default=None, gt=0)
    deadline_from: tuple[Name, ...] = ()
    deadline_at: Name | None = None
    evidence: Annotated[str, Field(pattern="^(case|close_contact|general_contact|isolation|death)$")] | None = None
    outcome: Name | None = None
    is_void: bool = False
    bars: bool = False
    moves: dict[Name, _Move]
    corrections: dict[Name, _Correction] = Field(default_factory=dict)

    def stage(self) -> Stage:
        return Stage(
            title=self.title.words(),
            deadline=None if self.deadline_hours is None else timedelta(hours=self.deadline_hours),
            evidence=self.evidence,
            outcome=self.outcome,
            is_void=self.is_void,
            moves={name: move.move() for name, move in self.moves.items()},
            deadline_from=self.deadline_from,
            deadline_at=self.deadline_at,
            bars=self.bars,
            corrections={name: each.correction() for name, each in self.corrections.items()},
        )


class _Opening(_Form):
    stage: Name
    roles: tuple[Role, ...]
    facts: dict[Name, _Fact] = Field(default_factory=dict)


class _Trace(_Form):
    fact: Name
    look_back_days: int = Field(ge=1, le=60)


class _Measure(_Form):
    since: Name
    days: int = Field(ge=1, le=366)

    def measure(self) -> Measure:
        return Measure(self.since, timedelta(days=self.days))


class _Definition(_Form):
    ledger: Name
    version: int = Field(ge=1)
    amends: int | None = Field(default=None, ge=1)
    valid_from: DateTime
    title: _Words
    legal_basis: _Words
    owner: Level
    strength: int = Field(ge=0)
    opening: _Opening
    opens_on: dict[Occurrence, Name] = Field(default_factory=dict)
    observed_at: Name | None = None
    trace: _Trace | None = None
    measure: _Measure | None = None
    checks: tuple[_Check, ...] = ()
    stages: dict[Name, _Stage]

    def definition(self) -> Definition:
        trace = TraceRule(self.trace.fact, timedelta(days=self.trace.look_back_days)) if self.trace else None
        return Definition(
            ledger=self.ledger,
            version=self.version,
            valid_from=self.valid_from,
            title=self.title.words(),
            legal_basis=self.legal_basis.words(),
            owner_level=self.owner,
            strength=self.strength,
            opening=Opening(self.opening.stage, frozenset(self.opening.roles), _rules(self.opening.facts)),
            opens_on=self.opens_on,
            stages={name: stage.stage() for name, stage in self.stages.items()},
            observed_at=self.observed_at,
            trace=trace,
            measure=self.measure.measure() if self.measure else None,
            amends=self.amends,
            checks=tuple(check.check() for check in self.checks),
        )


def _rules(facts: dict[str, _Fact]) -> dict[str, FactRule]:
    return {name: fact.rule() for name, fact in facts.items()}


def read_definitions(folder: Path) -> Ledgers:
    """Every definition of the folder. Raises `SettingsError` that lists the problems of all files."""
    definitions: list[Definition] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            definition = _Definition.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).definition()
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(f"{path.name}: cannot be read ({type(error).__name__})")
            continue
        except ValidationError as error:
            problems.extend(f"{path.name}: {_place(each)}: {each['msg']}" for each in error.errors())
            continue
        if path.stem != definition.name:
            problems.append(f"{path.name}: holds {definition.name}; name the file so")
        definitions.append(definition)
        problems.extend(problems_of(definition))
    problems.extend(_problems_together(folder, definitions))
    if problems:
        raise SettingsError("\n  ".join(["The ledgers' definitions are not usable:", *problems]))
    return Ledgers(definitions)


def _place(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"]) or "the file"


def _problems_together(folder: Path, definitions: list[Definition]) -> list[str]:
    if not definitions:
        return [f"{folder}: holds no definition"]
    problems = []
    unknown = {
        role
        for each in definitions
        for roles in (
            each.opening.roles,
            *(move.roles for stage in each.stages.values() for move in stage.orderable),
        )
        for role in roles - ROLES
    }
    if unknown:
        problems.append(f"roles that do not exist: {', '.join(sorted(unknown))}")
    problems += amendment_problems(definitions)
    problems += opening_problems(definitions)
    for occurrence in Occurrence:
        ledgers = {each.ledger for each in definitions if occurrence in each.opens_on}
        if len(ledgers) > 1:
            problems.append(f"{occurrence} opens several ledgers: {', '.join(sorted(ledgers))}")
    return problems
