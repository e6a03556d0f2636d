"""A rule set, read from its file: dated, versioned, with a legal basis; rules are data, their conditions CertLogic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from services.codes.certlogic import compile_expression, validate
from services.codes.domain.colours import Colour
from services.codes.domain.errors import InvalidRuleSet
from services.codes.domain.facts import LISTS

_UNITS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_COLOURS = {colour.word: colour for colour in Colour if colour is not Colour.GREEN}


@dataclass(frozen=True, slots=True)
class Text:
    """The same in Chinese and in English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`over` names the list of facts whose items are tried one by one, as `{now, item}`; None tries all facts at once.

    `lasts` counts from an item's `at`; None means until what it rests on ends. `begins` is for a rule that comes to
    match by time alone: (path of a fact's moment, how long after it).
    """

    id: str
    colour: Colour
    over: str | None
    condition: Callable[[object], object]
    reason: Text
    lifts_when: Text
    lasts: timedelta | None
    begins: tuple[str, timedelta] | None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """`name` is identifier and version, such as "hangzhou-2020@1"."""

    name: str
    dated: date
    legal_basis: Text
    rules: tuple[Rule, ...]


def read_rule_set(document: object) -> RuleSet:
    """Raises `InvalidRuleSet` that names every problem."""
    problems: list[str] = []
    if not isinstance(document, Mapping):
        raise InvalidRuleSet(["it is not a JSON object"])
    name = f"{document.get('id')}@{document.get('version')}"
    if not isinstance(document.get("id"), str) or not isinstance(document.get("version"), int):
        problems.append("id is a string and version an integer")
    dated = _date_of(document.get("dated"), problems)
    legal_basis = _text_of(document.get("legal_basis"), "legal_basis", problems)
    written = document.get("rules")
    if not isinstance(written, list) or not written:
        raise InvalidRuleSet([*problems, "rules is a list with at least one rule"])
    rules = [_rule_of(each, f"rules[{number}]", problems) for number, each in enumerate(written)]
    ids = [rule.id for rule in rules if rule is not None]
    problems += [f"two rules are called {each}" for each in sorted({each for each in ids if ids.count(each) > 1})]
    if problems:
        raise InvalidRuleSet(problems)
    return RuleSet(name, dated, legal_basis, tuple(rule for rule in rules if rule is not None))


def _rule_of(written: object, where: str, problems: list[str]) -> Rule | None:
    if not isinstance(written, Mapping) or not isinstance(written.get("id"), str):
        problems.append(f"{where} is an object with an id")
        return None
    where = f"{where} ({written['id']})"
    if written.get("colour") not in _COLOURS:
        problems.append(f"{where}: colour is one of {', '.join(_COLOURS)}")
    if written.get("over") not in (None, *LISTS):
        problems.append(f"{where}: over is null or one of {', '.join(LISTS)}")
    problems += [f"{where}: when {problem.path}: {problem.message}" for problem in validate(written.get("when"))]
    return Rule(
        id=str(written["id"]),
        colour=_COLOURS.get(str(written.get("colour")), Colour.LAPSED),
        over=written.get("over"),
        condition=compile_expression(written.get("when")),
        reason=_text_of(written.get("reason"), f"{where}: reason", problems),
        lifts_when=_text_of(written.get("lifts_when"), f"{where}: lifts_when", problems),
        lasts=_duration_of(written.get("lasts"), f"{where}: lasts", problems),
        begins=_beginning_of(written.get("begins"), f"{where}: begins", problems),
    )


def _date_of(written: object, problems: list[str]) -> date:
    try:
        return date.fromisoformat(str(written))
    except ValueError:
        problems.append("dated is a date such as 2020-02-11")
        return date.min


def _text_of(written: object, where: str, problems: list[str]) -> Text:
    if isinstance(written, Mapping) and all(isinstance(written.get(name), str) for name in ("zh", "en")):
        return Text(str(written["zh"]), str(written["en"]))
    problems.append(f"{where} is an object with the texts zh and en")
    return Text("", "")


def _duration_of(written: Any, where: str, problems: list[str]) -> timedelta | None:
    """None for null."""
    if written is None:
        return None
    if isinstance(written, Mapping) and isinstance(written.get("amount"), int) and written.get("unit") in _UNITS:
        return int(written["amount"]) * _UNITS[str(written["unit"])]
    problems.append(f"{where} is null or an object with amount (an integer) and unit ({' or '.join(_UNITS)})")
    return None


def _beginning_of(written: Any, where: str, problems: list[str]) -> tuple[str, timedelta] | None:
    if written is None:
        return None
    after = _duration_of(written, where, problems)
    if after is not None and isinstance(written.get("fact"), str):
        return written["fact"], after
    problems.append(f"{where} names a fact")
    return None
