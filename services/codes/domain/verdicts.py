"""From facts to a colour: the worst colour of the rules that match, with everything that must be said about it (D9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.codes.certlogic import EvaluationError
from services.codes.domain.colours import Colour, severity, worst_of
from services.codes.domain.dossier import Evidence
from services.codes.domain.facts import Facts
from services.codes.domain.rules import Rule, RuleSet, Text

_DEATH = Text("已登记死亡，健康码作废。", "The person's death is recorded, so the code is void.")
_DEATH_CORRECTED = Text(
    "由登记机构更正死亡登记后恢复。", "Restored when the authority corrects the record of the death."
)


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that matched; `evidence` are identifiers of declarations and evidence.

    `ends_at` is when time alone ends it; None where time does not.
    """

    rule: str
    rule_set: str
    colour: Colour
    text: Text
    evidence: tuple[str, ...]
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RuleError:
    """A rule that could not be evaluated: it counts as not matched, and this is kept with the verdict."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`review_at` is the earliest moment at which time alone may change it; reasons stand worst first.

    `is_void`: no pass of the person holds, whatever its colour.
    """

    colour: Colour
    reasons: tuple[Reason, ...]
    rule_set: str
    review_at: datetime | None
    lifts_when: Text | None
    errors: tuple[RuleError, ...]
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class _Match:
    rule: Rule
    evidence: tuple[str, ...]
    ends_at: datetime | None


def judge(rule_set: RuleSet, facts: Facts, now: datetime) -> Verdict:
    matches: list[_Match] = []
    errors: list[RuleError] = []
    begins: list[datetime] = []
    for rule in rule_set.rules:
        matched = _matching_items(rule, facts, errors)
        if matched:
            matches.append(_Match(rule, _evidence_of(rule, matched), _end_of(rule, matched)))
        elif rule.begins and (moment := _moment_at(facts, rule.begins[0])) is not None:
            begins.append(moment + rule.begins[1])
    matches.sort(key=lambda match: severity(match.rule.colour), reverse=True)
    ends = [match.ends_at for match in matches if match.ends_at is not None]
    return Verdict(
        colour=worst_of(match.rule.colour for match in matches),
        reasons=tuple(_reason_of(match, rule_set.name) for match in matches),
        rule_set=rule_set.name,
        review_at=min((moment for moment in ends + begins if moment > now), default=None),
        lifts_when=_lifted_when(matches),
        errors=tuple(errors),
    )


def judge_dead(rule_set: RuleSet, deaths: Iterable[Evidence]) -> Verdict:
    """A code ends with its holder's life: lapsed and void, without a rule and without a review."""
    evidence = tuple(sorted(str(death.evidence_id) for death in deaths))
    return Verdict(
        colour=Colour.LAPSED,
        reasons=(Reason("death_recorded", rule_set.name, Colour.LAPSED, _DEATH, evidence),),
        rule_set=rule_set.name,
        review_at=None,
        lifts_when=_DEATH_CORRECTED,
        errors=(),
        is_void=True,
    )


def _matching_items(rule: Rule, facts: Facts, errors: list[RuleError]) -> list[Facts]:
    """The items for which the rule is true; the first item that cannot be evaluated is reported."""
    found: list[Facts] = []
    reported = len(errors)
    for item in facts[rule.over] if rule.over else [facts]:
        data = {"now": facts["now"], "item": item} if rule.over else facts
        try:
            value = rule.condition(data)
            if value and value is not True:
                raise EvaluationError("a condition answers true or something falsy")
        except EvaluationError as error:
            if len(errors) == reported:
                errors.append(RuleError(rule.id, str(error)))
            continue
        if value:
            found.append(item)
    return found


def _evidence_of(rule: Rule, items: Iterable[Facts]) -> tuple[str, ...]:
    """None for a rule over all facts: it rests on something that is not there."""
    if rule.over is None:
        return ()
    return tuple(sorted({identifier for item in items for identifier in item["evidence"]}))


def _end_of(rule: Rule, items: Iterable[Facts]) -> datetime | None:
    """When the last item stops matching; None where time alone does not end it."""
    if rule.lasts is None:
        return None
    return max(datetime.fromisoformat(item["at"]) + rule.lasts for item in items)


def _moment_at(facts: Facts, path: str) -> datetime | None:
    value: Any = facts
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def _reason_of(match: _Match, rule_set: str) -> Reason:
    return Reason(match.rule.id, rule_set, match.rule.colour, match.rule.reason, match.evidence, match.ends_at)


def _lifted_when(matches: list[_Match]) -> Text | None:
    """What must happen for the colour to go: of the rules that give it, the one that lasts longest."""
    if not matches:
        return None
    deciding = [match for match in matches if match.rule.colour == matches[0].rule.colour]
    endless = [match for match in deciding if match.ends_at is None]
    ending = sorted((match.ends_at, match.rule.id, match) for match in deciding if match.ends_at is not None)
    return (endless or [match for _, _, match in reversed(ending)])[0].rule.lifts_when
