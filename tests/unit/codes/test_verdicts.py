"""The verdict of every rule, when it begins to matter and when it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.codes.certlogic import compile_expression
from services.codes.domain.colours import Colour, severity, worst_of
from services.codes.domain.dossier import Declaration, Dossier, Evidence, RiskStay
from services.codes.domain.facts import facts_of
from services.codes.domain.rules import RuleSet, read_rule_set
from services.codes.domain.verdicts import Verdict, judge
from services.codes.settings import PACKAGED_RULE_SET

NOW = datetime(2020, 2, 20, 8, 30, 0, 123_456, UTC)
DAY, INSTANT = timedelta(days=1), timedelta(milliseconds=1)
RULES = read_rule_set(json.loads(PACKAGED_RULE_SET.read_text(encoding="utf-8")))


def declared(days_ago: float = 0, **said: Any) -> Declaration:
    plain: dict[str, Any] = {"temperature_tenths": 365, "symptoms": (), "has_contact_with_case": False}
    return Declaration(declaration_id=uuid4(), made_at=NOW - days_ago * DAY, **(plain | said))


def found(kind: str, days_ago: float = 0) -> Evidence:
    return Evidence(uuid4(), kind, uuid4(), None, {}, NOW - days_ago * DAY, "test")


def stayed(level: str, days_ago: float = 0) -> RiskStay:
    return RiskStay(uuid4(), "420105", NOW - days_ago * DAY, level, uuid4())


def verdict(*known: Declaration | Evidence | RiskStay, now: datetime = NOW, rules: RuleSet = RULES) -> Verdict:
    dossier = Dossier(
        tuple(each for each in known if isinstance(each, Declaration)),
        tuple(each for each in known if isinstance(each, Evidence)),
        tuple(each for each in known if isinstance(each, RiskStay)),
    )
    return judge(rules, facts_of(dossier, now), now)


TABLE = [
    # rule, what is known beside a valid declaration, colour, days from now until it ends (None: not by time)
    ("confirmed_case", found("case", 30), Colour.RED, None),
    ("close_contact", found("close_contact", 2), Colour.RED, 12),
    ("declared_contact", declared(2, has_contact_with_case=True), Colour.RED, 12),
    ("high_risk_stay", stayed("high", 2), Colour.RED, 12),
    ("general_contact", found("general_contact", 2), Colour.YELLOW, 5),
    ("symptoms", declared(2, symptoms=("fatigue",)), Colour.YELLOW, 5),
    ("temperature", declared(2, temperature_tenths=373), Colour.YELLOW, 5),
    ("medium_risk_stay", stayed("medium", 2), Colour.YELLOW, 12),
]


@pytest.mark.parametrize(("rule", "known", "colour", "days_left"), TABLE, ids=[row[0] for row in TABLE])
def test_each_rule_gives_its_colour_and_ends_when_it_says(
    rule: str, known: Any, colour: Colour, days_left: int | None
) -> None:
    said = verdict(declared(), known)
    assert said.colour is colour
    assert [reason.rule for reason in said.reasons] == [rule]
    assert said.reasons[0].rule_set == "hangzhou-2020@1"
    assert said.reasons[0].evidence
    assert said.reasons[0].text.zh
    assert said.reasons[0].text.en
    assert said.lifts_when is not None
    assert said.errors == ()
    if days_left is None:
        assert verdict(declared(-365), known, now=NOW + 364 * DAY).colour is colour
        return
    end = NOW + days_left * DAY
    renewed = declared(-days_left)
    assert verdict(renewed, known, now=end - INSTANT).colour is colour
    assert verdict(renewed, known, now=end).colour is Colour.GREEN
    assert verdict(renewed, known, now=end - INSTANT).review_at == end


def test_every_rule_of_the_set_stands_in_the_table() -> None:
    assert {rule.id for rule in RULES.rules} == {row[0] for row in TABLE} | {"no_valid_declaration"}


def test_without_a_declaration_there_is_no_green() -> None:
    said = verdict()
    assert said.colour is Colour.LAPSED
    assert [reason.rule for reason in said.reasons] == ["no_valid_declaration"]
    assert said.review_at is None


def test_a_declaration_holds_seven_days_and_the_review_is_due_then() -> None:
    declaration = declared(6)
    assert verdict(declaration).colour is Colour.GREEN
    assert verdict(declaration).review_at == NOW + DAY
    assert verdict(declaration, now=NOW + DAY - INSTANT).colour is Colour.GREEN
    assert verdict(declaration, now=NOW + DAY).colour is Colour.LAPSED


def test_green_has_no_reasons_and_nothing_to_lift() -> None:
    said = verdict(declared())
    assert (said.colour, said.reasons, said.lifts_when) == (Colour.GREEN, (), None)


@pytest.mark.parametrize("temperature_tenths", [None, 340, 372])
def test_a_temperature_below_the_limit_or_unknown_is_no_fever(temperature_tenths: int | None) -> None:
    assert verdict(declared(temperature_tenths=temperature_tenths)).colour is Colour.GREEN


def test_the_worst_colour_wins_and_every_rule_that_matched_is_named() -> None:
    said = verdict(found("general_contact"), found("close_contact", 1), declared(8, symptoms=("fever",)))
    assert said.colour is Colour.RED
    assert [reason.rule for reason in said.reasons] == ["close_contact", "general_contact", "no_valid_declaration"]
    assert [severity(reason.colour) for reason in said.reasons] == [3, 2, 1]
    assert said.lifts_when is not None
    assert said.lifts_when.en.startswith("Lifts 14 days after the last contact")


def test_a_later_healthy_declaration_does_not_wipe_out_earlier_symptoms() -> None:
    assert verdict(declared(3, symptoms=("fever",)), declared()).colour is Colour.YELLOW


def test_several_contacts_count_from_the_last_and_only_those_that_still_count_are_named() -> None:
    old, last, previous = found("close_contact", 15), found("close_contact", 1), found("close_contact", 9)
    said = verdict(declared(), old, last, previous)
    assert set(said.reasons[0].evidence) == {str(last.evidence_id), str(previous.evidence_id)}
    assert verdict(declared(-13), old, last, previous, now=NOW + 13 * DAY - INSTANT).colour is Colour.RED


def test_a_stay_in_a_low_risk_area_means_nothing() -> None:
    assert verdict(declared(), stayed("low")).colour is Colour.GREEN


def test_evidence_that_no_rule_asks_for_means_nothing() -> None:
    assert verdict(declared(), found("vaccination"), found("isolation")).colour is Colour.GREEN


def broken(**condition: Any) -> RuleSet:
    rule = replace(RULES.rules[0], id="broken", condition=compile_expression(condition))
    return replace(RULES, rules=(rule, *RULES.rules))


@pytest.mark.parametrize(
    "condition", [{"in": [1, {"var": "item.kind"}]}, {">": [{"var": "item.kind"}, 1]}, {"var": "item"}]
)
def test_a_rule_that_errors_counts_as_not_matched_and_is_recorded(condition: dict[str, Any]) -> None:
    said = verdict(declared(), found("general_contact"), found("vaccination"), rules=broken(**condition))
    assert said.colour is Colour.YELLOW
    assert [error.rule for error in said.errors] == ["broken"]
    assert said.errors[0].message


moments = st.integers(-1_000, 40_000).map(lambda minutes: minutes / 1440)
known_things = st.one_of(
    st.builds(found, st.sampled_from(["close_contact", "general_contact", "vaccination"]), moments),
    st.builds(stayed, st.sampled_from(["high", "medium", "low"]), moments),
    st.builds(lambda days, symptoms: declared(days, symptoms=symptoms), moments, st.sampled_from([(), ("fever",)])),
)


@given(st.lists(known_things, max_size=6), st.floats(0, 1))
def test_nothing_but_the_review_time_changes_a_colour_by_itself(known: list[Any], share: float) -> None:
    said = verdict(*known)
    until = said.review_at or NOW + 60 * DAY
    before = NOW + (until - INSTANT - NOW) * share
    assert verdict(*known, now=max(NOW, before)).colour is said.colour


@given(st.lists(st.sampled_from(Colour), max_size=5))
def test_the_worst_colour_is_at_least_as_severe_as_any(colours: list[Colour]) -> None:
    assert all(severity(worst_of(colours)) >= severity(colour) for colour in colours)


def test_facts_are_date_times_with_offset_and_whole_numbers() -> None:
    dossier = Dossier((declared(1),), (found("case"),), (stayed("high"),))
    facts = facts_of(dossier, NOW)

    def leaves(value: Any) -> Any:
        if isinstance(value, dict):
            return [leaf for each in value.values() for leaf in leaves(each)]
        return [leaf for each in value for leaf in leaves(each)] if isinstance(value, list) else [value]

    assert not any(isinstance(leaf, float) for leaf in leaves(facts))
    times = [leaf for leaf in leaves(facts) if isinstance(leaf, str) and leaf.startswith("2020-")]
    assert len(times) == 5
    assert all(datetime.fromisoformat(each).tzinfo is not None for each in times)
    assert isinstance(UUID(facts["evidence"][0]["evidence"][0]), UUID)
