"""A rule set is checked as a whole before it is used."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from chassis.settings import SettingsError
from services.codes.domain.errors import InvalidRuleSet
from services.codes.domain.rules import read_rule_set
from services.codes.settings import PACKAGED_RULE_SET, read_rule_set_file

PACKAGED: dict[str, Any] = json.loads(PACKAGED_RULE_SET.read_text(encoding="utf-8"))


def changed(**changes: Any) -> dict[str, Any]:
    """The packaged rule set with its first rule changed."""
    document = copy.deepcopy(PACKAGED)
    document["rules"][0] |= changes
    return document


def test_the_packaged_rule_set_is_dated_versioned_and_has_a_legal_basis() -> None:
    rules = read_rule_set(PACKAGED)
    assert rules.name == "hangzhou-2020@1"
    assert rules.dated.isoformat() == "2020-02-11"
    assert rules.legal_basis.zh
    assert rules.legal_basis.en
    assert "this system's own rule" in PACKAGED["about"]["en"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "not a JSON object"),
        ({}, "rules is a list"),
        (PACKAGED | {"version": "1"}, "version an integer"),
        (PACKAGED | {"dated": "yesterday"}, "dated is a date"),
        (PACKAGED | {"legal_basis": "the law"}, "legal_basis"),
        (PACKAGED | {"rules": ["x"]}, "rules[0] is an object"),
        (PACKAGED | {"rules": PACKAGED["rules"] * 2}, "two rules are called confirmed_case"),
        (changed(colour="green"), "colour is one of"),
        (changed(over="people"), "over is null or one of"),
        (changed(when={"wenn": [1]}), "when $"),
        (changed(when={"and": [True]}), "when $"),
        (changed(reason={"en": "only"}), "reason is an object"),
        (changed(lasts={"amount": 1, "unit": "month"}), "lasts is null or"),
        (changed(begins={"amount": 1, "unit": "day"}), "begins names a fact"),
    ],
)
def test_a_problem_of_a_rule_set_is_named(document: object, said: str) -> None:
    with pytest.raises(InvalidRuleSet, match=r"cannot be used") as raised:
        read_rule_set(document)
    assert said in str(raised.value)


def test_every_problem_is_listed_and_the_service_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(changed(when={"wenn": [1]}, colour="blue")))
    with pytest.raises(SettingsError) as raised:
        read_rule_set_file(file)
    assert "RULE_SET_FILE" in str(raised.value)
    assert "wenn" in str(raised.value)
    assert "colour is one of" in str(raised.value)
