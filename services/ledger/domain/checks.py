"""Checks between facts: dates that contradict each other are refused, by rules of the definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.ledger.domain.errors import InvalidRequest
from services.ledger.domain.facts import Fact, date_time_of

OPENED_AT = "opened_at"
"""Named like a fact where a definition dates something by the opening of the entry."""


@dataclass(frozen=True, slots=True)
class Words:
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Check:
    """Two date-time facts in their order: `fact` does not lie before `not_before`; `text` says so to a person."""

    fact: str
    not_before: str
    text: Words


def check_order(checks: Sequence[Check], known: Mapping[str, Fact], told: Mapping[str, Fact]) -> None:
    """Raises `InvalidRequest` for every fact told now that contradicts another by a check of the definition.

    `known` holds all facts of the entry, those told now among them, and may hold `opened_at`. A check is asked where
    its later fact is told: a second discharge follows the readmission that followed the first one.
    """
    errors = []
    for check in checks:
        if check.fact not in told:
            continue
        later, earlier = date_time_of(known, check.fact), date_time_of(known, check.not_before)
        if later is not None and earlier is not None and later < earlier:
            field = OPENED_AT if check.fact == OPENED_AT else f"facts.{check.fact}"
            errors.append((field, f"{check.text.zh} {check.text.en}"))
    if errors:
        raise InvalidRequest(*errors)
