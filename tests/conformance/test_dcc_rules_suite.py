"""National entry rules with their tests; README.md beside this file says where they come from."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.codes.certlogic import EvaluationError, evaluate, validate

ROOT = Path(os.environ.get("GUANKA_CONFORMANCE") or Path(__file__).parent)
FOLDER = next((ROOT / name for name in ("dcc_rules", "dcc-rules") if (ROOT / name).is_dir()), ROOT / "dcc_rules")
Json = Any


def rule_sets_in(folder: Path) -> Iterator[dict[str, Json]]:
    for file in sorted(folder.glob("*.json")):
        yield json.loads(file.read_text(encoding="utf-8"))


def data_of(test: dict[str, Json], value_sets: list[Json]) -> dict[str, Json]:
    external = dict(test["external"])
    if isinstance(external.get("valueSets"), int):
        external["valueSets"] = value_sets[external["valueSets"]]
    return {"payload": test["payload"], "external": external}


def outcomes_in(folder: Path) -> Iterator[Any]:
    for rule_set in rule_sets_in(folder):
        for entry in rule_set["rules"]:
            rule = entry["rule"]
            for number, test in enumerate(entry["tests"], start=1):
                name = f"{rule['Identifier']} {rule['Version']} #{number} {test.get('name', '')}".rstrip()
                yield pytest.param(rule["Logic"], data_of(test, rule_set["value_sets"]), test["expected"], id=name)


def rules_in(folder: Path) -> Iterator[Any]:
    for rule_set in rule_sets_in(folder):
        for entry in rule_set["rules"]:
            rule = entry["rule"]
            yield pytest.param(rule["Logic"], id=f"{rule['Identifier']} {rule['Version']}")


OUTCOMES = list(outcomes_in(FOLDER))


def is_satisfied(logic: Json, data: Json) -> bool:
    try:
        return evaluate(logic, data) is True
    except EvaluationError:
        return False


def test_the_suite_is_there() -> None:
    assert OUTCOMES, f"no rule with tests found in {FOLDER}"


@pytest.mark.parametrize(("logic", "data", "expected"), OUTCOMES)
def test_a_rule_has_the_outcome_its_country_expects(logic: Json, data: Json, expected: bool) -> None:
    assert is_satisfied(logic, data) is expected


@pytest.mark.parametrize("logic", list(rules_in(FOLDER)))
def test_the_validator_passes_a_rule_that_is_in_force(logic: Json) -> None:
    assert validate(logic) == []
