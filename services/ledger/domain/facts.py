"""Facts: what an opening or a move must and may tell, by the rules of the definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chassis.date_times import WANTED, read_date_time
from chassis.texts import read_note
from services.ledger.domain.errors import InvalidRequest

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours a caller's clock may be."""
TEXT_CHARACTERS_MAX = 500
_WHOLE_MAX = 1_000_000_000

Fact = str | int | bool


class FactType(StrEnum):
    DATE_TIME = "date_time"
    TEXT = "text"
    WHOLE = "whole"
    BOOLEAN = "boolean"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class FactRule:
    """`past_days_max` bounds a date-time, `choices` a choice."""

    type: FactType
    is_required: bool = False
    past_days_max: int | None = None
    choices: tuple[str, ...] = ()


class _Wrong(Exception):
    pass


def check_facts(rules: Mapping[str, FactRule], given: Mapping[str, object], now: datetime) -> dict[str, Fact]:
    """The facts in normal form (date-times in UTC). Raises `InvalidRequest` that names every fact at fault."""
    errors = list(_unlisted(rules, given))
    facts: dict[str, Fact] = {}
    for name, rule in rules.items():
        if given.get(name) is None:
            if rule.is_required:
                errors.append((f"facts.{name}", "this fact is required"))
            continue
        try:
            facts[name] = _normal(rule, given[name], now)
        except _Wrong as wrong:
            errors.append((f"facts.{name}", str(wrong)))
    if errors:
        raise InvalidRequest(*errors)
    return facts


def date_time_of(facts: Mapping[str, Fact], name: str) -> datetime | None:
    """A date-time fact in normal form."""
    return datetime.fromisoformat(str(facts[name])) if name in facts else None


def _unlisted(rules: Mapping[str, FactRule], given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    allowed = ", ".join(rules) or "none"
    for name in given:
        if name not in rules:
            yield f"facts.{name[:60]}", f"this fact is not known here; allowed are: {allowed}"


def _normal(rule: FactRule, value: object, now: datetime) -> Fact:
    match rule.type, value:
        case FactType.DATE_TIME, str():
            return _date_time(rule, value, now).isoformat()
        case FactType.TEXT, str() if len(value) <= TEXT_CHARACTERS_MAX:
            return _note(value)
        case FactType.BOOLEAN, bool():
            return value
        case FactType.WHOLE, int() if not isinstance(value, bool) and 0 <= value <= _WHOLE_MAX:
            return value
        case FactType.CHOICE, str() if value in rule.choices:
            return value
    raise _Wrong(_wanted(rule))


def _note(text: str) -> str:
    try:
        return read_note(text)
    except ValueError as error:
        raise _Wrong(str(error)) from None


def _date_time(rule: FactRule, value: str, now: datetime) -> datetime:
    try:
        at = read_date_time(value)
    except ValueError as error:
        raise _Wrong(str(error)) from None
    if at > now + CLOCK_SKEW:
        raise _Wrong("this lies in the future")
    if rule.past_days_max is not None and at < now - timedelta(days=rule.past_days_max):
        raise _Wrong(f"this lies more than {rule.past_days_max} days back")
    return at


def _wanted(rule: FactRule) -> str:
    return {
        FactType.DATE_TIME: WANTED,
        FactType.TEXT: f"write 1 to {TEXT_CHARACTERS_MAX} characters",
        FactType.BOOLEAN: "write true or false",
        FactType.WHOLE: f"write a whole number from 0 to {_WHOLE_MAX}",
        FactType.CHOICE: f"write one of {', '.join(rule.choices)}",
    }[rule.type]
