"""What the validator finds, where it says it is, and what it lets pass."""

from typing import Any

import pytest

from services.codes.certlogic import EvaluationError, Problem, evaluate, validate

OLDER = {"plusTime": ["2021-01-01", 0, "day"]}
VAR = {"var": "a"}


@pytest.mark.parametrize(
    "expression",
    [
        True,
        0,
        "text",
        [],
        [1, ["a"], VAR],
        {"var": ""},
        {"var": "payload.v.0.dn"},
        {"if": [VAR, OLDER, []]},
        {"and": [True, VAR, VAR, VAR, VAR]},
        {"!": [VAR]},
        {"in": [VAR, {"if": [VAR, [], VAR]}]},
        {"+": [VAR, {"if": [VAR, 1, "not this one"]}]},
        {"<": [1, VAR, 3]},
        {"after": [OLDER, {"dccDateOfBirth": [VAR]}, {"if": [VAR, OLDER, OLDER]}]},
        {"plusTime": [{"extractFromUVCI": [VAR, 0]}, -1, "year"]},
        {"reduce": [VAR, {"+": [{"var": "accumulator"}, 1]}, 0]},
        {"===": [VAR, OLDER]},
    ],
)
def test_a_sound_expression_has_no_problems(expression: Any) -> None:
    assert validate(expression) == []


@pytest.mark.parametrize(
    ("expression", "path", "allowed"),
    [
        (None, "$", "a boolean, an integer, a string, an array or an operation"),
        (1.5, "$", "an integer"),
        (2**53, "$", "9007199254740991"),
        ([1, None], "$[1]", "an operation"),
        ({}, "$", "exactly 1 key"),
        ({"var": "a", "if": []}, "$", "exactly 1 key"),
        ({"or": [1, 2]}, "$", "there are var, if, and"),
        ({1: []}, "$", "there are var, if, and"),
        ({"x" * 500: []}, "$", "there are var, if, and"),
        ({"var": 0}, "$", "a string"),
        ({"var": ["a"]}, "$", "without an array"),
        ({"var": "a..b"}, "$", "single dots"),
        ({"var": "a."}, "$", "single dots"),
        ({"!": True}, "$", "an array of 1 operand"),
        ({"if": [True, 1]}, "$", "3 operands"),
        ({"and": [True]}, "$", "2 or more operands"),
        ({"===": [1, 2, 3]}, "$", "2 operands"),
        ({"<": [1]}, "$", "2 to 3 operands"),
        ({"<": [1, 2, 3, 4]}, "$", "2 to 3 operands"),
        ({"if": [True, 1, {"!": [{"var": 1}]}]}, "$.if[2]['!'][0]", "a string"),
        ({"plusTime": [VAR, "1", "day"]}, "$.plusTime[1]", "an integer"),
        ({"plusTime": [VAR, True, "day"]}, "$.plusTime[1]", "an integer"),
        ({"plusTime": [VAR, 1, "week"]}, "$.plusTime[2]", "year, month, day, hour"),
        ({"plusTime": [OLDER, 1, "day"]}, "$.plusTime[0]", "a string"),
        ({"extractFromUVCI": [VAR, VAR]}, "$.extractFromUVCI[1]", "an integer"),
        ({"extractFromUVCI": [OLDER, 1]}, "$.extractFromUVCI[0]", "null or a string"),
        ({"dccDateOfBirth": [1]}, "$.dccDateOfBirth[0]", "a string"),
        ({"after": [OLDER, "2021-01-01"]}, "$.after[1]", "a date-time"),
        ({"<": [1, OLDER]}, "$['<'][1]", "an integer"),
        ({"+": [1, True]}, "$['+'][1]", "an integer"),
        ({"in": ["a", "abc"]}, "$.in[1]", "an array"),
        ({"reduce": ["abc", 1, 0]}, "$.reduce[0]", "null or an array"),
        ({"!": [OLDER]}, "$['!'][0]", "a boolean"),
        ({"if": [{"if": [VAR, OLDER, OLDER]}, 1, 2]}, "$.if[0]", "a boolean"),
    ],
)
def test_a_problem_says_where_it_is_and_what_is_allowed(expression: Any, path: str, allowed: str) -> None:
    (problem,) = validate(expression)
    assert problem.path == path
    assert allowed in problem.message
    assert len(problem.message) < 300


@pytest.mark.parametrize(
    "expression",
    [
        None,
        {},
        {"or": [1, 2]},
        {"var": 0},
        {"!": True},
        {"<": [1, OLDER]},
        {"in": ["a", "abc"]},
        {"plusTime": [OLDER, 1, "day"]},
        {"after": [OLDER, "2021-01-01"]},
        {"reduce": ["abc", 1, 0]},
    ],
)
def test_what_the_validator_reports_does_not_evaluate(expression: Any) -> None:
    assert validate(expression)
    with pytest.raises(EvaluationError):
        evaluate(expression, {"a": 1})


def test_every_problem_is_reported_at_once_also_in_branches_that_would_not_be_taken() -> None:
    rule = {"if": [True, {"or": []}, {"and": [None, {"plusTime": [OLDER, 1.5, "week"]}]}]}
    assert [problem.path for problem in validate(rule)] == [
        "$.if[1]",
        "$.if[2].and[0]",
        "$.if[2].and[1].plusTime[1]",
        "$.if[2].and[1].plusTime[2]",
        "$.if[2].and[1].plusTime[0]",
    ]


def test_a_fault_inside_an_operand_is_not_held_against_the_operation_around_it() -> None:
    assert validate({"+": [1, {"nonsense": []}]}) == [
        Problem("$['+'][1]", validate({"nonsense": []})[0].message),
    ]
