"""The CertLogic test suite, every assertion a test; README.md beside this file says where it comes from."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from services.codes.certlogic import EvaluationError, compile_expression, evaluate, render_value, validate

FOLDER = Path(os.environ.get("GUANKA_CONFORMANCE") or Path(__file__).parent) / "certlogic"
Json = Any


def is_skipped(part: dict[str, Json]) -> bool:
    return part.get("directive") == "skip"


def assertions_in(folder: Path) -> Iterator[Any]:
    for file in sorted(folder.glob("*.json")):
        suite = json.loads(file.read_text(encoding="utf-8"))
        for case in suite["cases"]:
            for number, assertion in enumerate(case["assertions"], start=1):
                expression = assertion.get("certLogicExpression", case.get("certLogicExpression"))
                skips = [pytest.mark.skip(reason="directive")] if any(map(is_skipped, (suite, case, assertion))) else []
                name = f"{file.stem}: {case['name']} #{number}"
                yield pytest.param(expression, assertion, id=name, marks=skips)


ASSERTIONS = list(assertions_in(FOLDER))
SETTLED = [each for each in ASSERTIONS if "expected" in each.values[1]]
"""Those whose value the suite does not leave open."""


def is_same_json(left: Json, right: Json) -> bool:
    # Through text, because to Python True equals 1 and an evaluator that mixes them up would pass.
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def test_the_suite_is_there() -> None:
    assert ASSERTIONS, f"no assertion found in {FOLDER}"


@pytest.mark.parametrize(("expression", "assertion"), ASSERTIONS)
def test_an_expression_evaluates_as_the_suite_expects(expression: Json, assertion: dict[str, Json]) -> None:
    if "expected" not in assertion:
        with suppress(EvaluationError):
            evaluate(expression, assertion["data"])
        return
    value = render_value(evaluate(expression, assertion["data"]))
    assert is_same_json(value, assertion["expected"]), assertion.get("message")


@pytest.mark.parametrize(("expression", "assertion"), SETTLED)
def test_a_compiled_expression_answers_twice_alike_and_leaves_the_data_alone(
    expression: Json, assertion: dict[str, Json]
) -> None:
    before = json.dumps(assertion["data"])
    compiled = compile_expression(expression)
    first, second = compiled(assertion["data"]), compiled(assertion["data"])
    assert is_same_json(render_value(first), render_value(second))
    assert json.dumps(assertion["data"]) == before


@pytest.mark.parametrize(("expression", "assertion"), SETTLED)
def test_the_validator_passes_what_the_suite_evaluates(expression: Json, assertion: dict[str, Json]) -> None:
    assert validate(expression) == []
