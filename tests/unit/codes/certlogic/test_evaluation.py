"""What every operation answers, and where it refuses to."""

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.codes.certlogic import DateTime, EvaluationError, compile_expression, evaluate, render_value, validate

OLDER = {"plusTime": ["2021-01-01", 0, "day"]}
NEWER = {"plusTime": ["2021-01-02", 0, "day"]}
MALFORMED = {"no such operation": []}

integers = st.integers(-(2**53) + 1, 2**53 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab01"), inner, max_size=3),
    max_leaves=8,
)


def is_refused(expression: Any, data: Any = None) -> bool:
    try:
        evaluate(expression, data)
    except EvaluationError:
        return True
    return False


# Literals


@pytest.mark.parametrize("literal", [True, False, 0, -17, 2**53 - 1, "", "apple", [], ["a", [1, True]]])
def test_a_literal_evaluates_to_itself(literal: Any) -> None:
    value = evaluate(literal, {})
    assert value == literal
    assert type(value) is type(literal)


@pytest.mark.parametrize("literal", [None, 1.5, 1.0, {}, 2**53, [None], (1, 2), b"a", DateTime(0)])
def test_null_decimals_and_plain_objects_are_no_literals(literal: Any) -> None:
    assert is_refused(literal)


def test_a_caller_who_alters_a_result_does_not_alter_the_rule() -> None:
    compiled = compile_expression(["a", "b"])
    first = compiled(None)
    assert isinstance(first, list)
    first.append("c")
    assert compiled(None) == ["a", "b"]


# var


@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [
        ("", [1], [1]),
        ("", None, None),
        ("a.0.b", {"a": [{"b": 5}]}, 5),
        ("a.01", {"a": [7, 8]}, 8),
        ("0", {"0": "by key"}, "by key"),
        ("a.-1", {"a": [7, 8]}, None),
        ("a.+1", {"a": [7, 8]}, None),
        ("a.1_0", {"a": list(range(20))}, None),
        ("a.²", {"a": [1, 2, 3]}, None),
        ("a." + "9" * 5000, {"a": [1]}, None),
        ("a.length", {"a": [1]}, None),
        ("a.0", {"a": "text"}, None),
        ("0", "text", None),
        ("a.1.b", {"a": ["x", "text"]}, None),
        ("a.0.0", {"a": ["text"]}, None),
        ("a.length", {"a": "text"}, None),
        ("a.b", {"a": 5}, None),
        ("a.b", {"a": True}, None),
        ("a.b", {"a": None}, None),
        ("a.b.c.d", {}, None),
        ("__class__", {}, None),
        ("a..b", {"a": {"b": 1}}, None),
    ],
)
def test_var_digs_as_far_as_there_is_something_and_answers_null_beyond(path: str, data: Any, expected: Any) -> None:
    assert evaluate({"var": path}, data) == expected


@pytest.mark.parametrize("operand", [0, None, ["a"], [], {"var": "a"}, True])
def test_var_takes_nothing_but_a_path(operand: Any) -> None:
    assert is_refused({"var": operand}, {"a": 1})


# Truth: if, and, !

FALSY = [False, None, "", 0, [], {}]
TRUTHY = [True, "0", "false", -1, [0], [None], {"a": None}]
NEITHER = [0.0, 1.0, 1.5]


@pytest.mark.parametrize("value", FALSY)
def test_falsy_values_take_the_else_branch(value: Any) -> None:
    assert evaluate({"if": [{"var": ""}, "then", "else"]}, value) == "else"
    assert evaluate({"!": [{"var": ""}]}, value) is True
    assert evaluate({"and": [{"var": ""}, MALFORMED]}, value) == value


@pytest.mark.parametrize("value", TRUTHY)
def test_truthy_values_take_the_then_branch(value: Any) -> None:
    assert evaluate({"if": [{"var": ""}, "then", "else"]}, value) == "then"
    assert evaluate({"!": [{"var": ""}]}, value) is False
    assert evaluate({"and": [True, {"var": ""}]}, value) == value


@pytest.mark.parametrize("value", NEITHER)
def test_a_number_that_is_no_integer_is_neither_true_nor_false(value: Any) -> None:
    assert is_refused({"if": [{"var": ""}, 1, 2]}, value)
    assert is_refused({"!": [{"var": ""}]}, value)
    assert is_refused({"and": [{"var": ""}, True]}, value)
    assert is_refused({"and": [True, {"var": ""}]}, value)


def test_a_date_time_is_neither_true_nor_false() -> None:
    assert is_refused({"if": [OLDER, 1, 2]})
    assert is_refused({"!": [OLDER]})
    assert is_refused({"and": [True, OLDER]})


def test_a_branch_not_taken_may_be_malformed() -> None:
    assert evaluate({"if": [True, "then", MALFORMED]}, None) == "then"
    assert evaluate({"if": [False, MALFORMED, "else"]}, None) == "else"
    assert is_refused({"if": [True, MALFORMED, "else"]})
    assert is_refused({"and": [True, MALFORMED]})


# === and in


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (0, False),
        (1, 1.0),
        (1, "1"),
        (None, False),
        ("", None),
        ([], {}),
        ([1], [True]),
        ({"a": 1}, {"a": 1.0}),
    ],
)
def test_values_of_different_kinds_are_never_equal(left: Any, right: Any) -> None:
    assert evaluate({"===": [{"var": "0"}, {"var": "1"}]}, [left, right]) is False
    assert evaluate({"in": [{"var": "0"}, {"var": "1"}]}, [left, [right]]) is False


@given(json_values)
def test_a_value_equals_itself_parsed_a_second_time(value: Any) -> None:
    def copy(part: Any) -> Any:
        if isinstance(part, list):
            return [copy(item) for item in part]
        return {key: copy(item) for key, item in part.items()} if isinstance(part, dict) else part

    assert evaluate({"===": [{"var": "0"}, {"var": "1"}]}, [value, copy(value)]) is True
    assert evaluate({"in": [{"var": "0"}, {"var": "1"}]}, [value, [copy(value)]]) is True


@given(st.lists(st.sampled_from(["a", "b", 0, 1, True, None]), max_size=3), st.sampled_from(["a", 0, 1, True, None]))
def test_in_holds_exactly_if_some_member_is_equal(array: list[Any], item: Any) -> None:
    equal = [evaluate({"===": [{"var": "0"}, {"var": "1"}]}, [item, member]) for member in array]
    assert evaluate({"in": [{"var": "0"}, {"var": "1"}]}, [item, array]) is any(equal)


@pytest.mark.parametrize("array", [None, "abc", {"a": 1}, 1, True])
def test_in_refuses_what_is_not_an_array(array: Any) -> None:
    assert is_refused({"in": ["a", {"var": ""}]}, array)


def test_date_times_are_equal_by_moment_and_never_to_a_text() -> None:
    assert evaluate({"===": [OLDER, {"plusTime": ["2021-01-01T01:00:00+01", 0, "day"]}]}, None) is True
    assert evaluate({"===": [OLDER, NEWER]}, None) is False
    assert evaluate({"===": [OLDER, "2021-01-01T00:00:00.000Z"]}, None) is False


# Integers and their comparisons

INTEGER_COMPARISONS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}
MOMENT_COMPARISONS = {"after": ">", "before": "<", "not-after": "<=", "not-before": ">="}


@given(st.sampled_from(sorted(INTEGER_COMPARISONS)), st.lists(st.integers(-2, 2), min_size=3, max_size=3))
def test_three_operands_compare_as_both_pairs_do(comparison: str, numbers: list[int]) -> None:
    first, second, third = numbers
    compare = INTEGER_COMPARISONS[comparison]
    assert evaluate({comparison: [first, second]}, None) is compare(first, second)
    pairs = {"and": [{comparison: [first, second]}, {comparison: [second, third]}]}
    assert evaluate({comparison: numbers}, None) is evaluate(pairs, None)


@given(st.sampled_from(sorted(MOMENT_COMPARISONS)), st.lists(st.integers(-2, 2), min_size=2, max_size=3))
def test_moments_compare_as_the_integers_do_that_were_added(comparison: str, days: list[int]) -> None:
    moments = [{"plusTime": ["2020-02-29", amount, "day"]} for amount in days]
    assert evaluate({comparison: moments}, None) is evaluate({MOMENT_COMPARISONS[comparison]: days}, None)


@pytest.mark.parametrize("operation", ["+", *INTEGER_COMPARISONS])
@pytest.mark.parametrize("stranger", [True, False, None, "1", 1.0, [], {}])
@pytest.mark.parametrize("position", [0, 1])
def test_integer_operations_take_integers_and_a_boolean_is_none(operation: str, stranger: Any, position: int) -> None:
    operands = [1, 1]
    operands[position] = stranger
    assert is_refused({operation: [{"var": "0"}, {"var": "1"}]}, operands)


@pytest.mark.parametrize("comparison", MOMENT_COMPARISONS)
@pytest.mark.parametrize("stranger", ["2021-01-01", 1, True, {"var": "missing"}])
def test_moment_comparisons_take_date_times_only(comparison: str, stranger: Any) -> None:
    assert is_refused({comparison: [OLDER, stranger]})
    assert is_refused({comparison: [stranger, OLDER]})


def test_the_third_operand_is_checked_even_where_the_first_two_have_decided() -> None:
    assert evaluate({"<": [2, 1, 3]}, None) is False
    assert is_refused({"<": [2, 1, "3"]})
    assert is_refused({"after": [OLDER, NEWER, "2021-01-01"]})


@pytest.mark.parametrize("comparison", INTEGER_COMPARISONS)
def test_integer_comparisons_do_not_compare_date_times(comparison: str) -> None:
    assert is_refused({comparison: [OLDER, NEWER]})


@given(integers, integers)
def test_a_sum_is_exact_or_refused(left: int, right: int) -> None:
    if abs(left + right) < 2**53:
        assert evaluate({"+": [left, right]}, None) == left + right
    else:
        assert is_refused({"+": [left, right]})


# plusTime and dccDateOfBirth


def test_plus_time_takes_a_text_and_never_another_date_time() -> None:
    assert render_value(evaluate(OLDER, None)) == "2021-01-01T00:00:00.000Z"
    assert is_refused({"plusTime": [OLDER, 0, "day"]})
    assert is_refused({"dccDateOfBirth": [OLDER]})


@pytest.mark.parametrize("text", [None, 2021, True, [], {}, 1.5, "", "15.06.2021"])
def test_plus_time_refuses_what_is_no_date(text: Any) -> None:
    assert is_refused({"plusTime": [{"var": ""}, 0, "day"]}, text)
    assert is_refused({"dccDateOfBirth": [{"var": ""}]}, text)


@pytest.mark.parametrize("amount", [True, 1.0, "1", None, {"var": "one"}, {"+": [1, 1]}])
def test_the_amount_of_plus_time_is_an_integer_as_written(amount: Any) -> None:
    assert is_refused({"plusTime": ["2021-01-01", amount, "day"]}, {"one": 1})


@pytest.mark.parametrize("unit", ["days", "minute", "Day", "", None, 1, ["day"], {"var": "unit"}])
def test_the_unit_of_plus_time_is_one_of_four(unit: Any) -> None:
    assert is_refused({"plusTime": ["2021-01-01", 1, unit]}, {"unit": "day"})


def test_a_date_of_birth_is_the_last_day_it_can_be() -> None:
    assert render_value(evaluate({"dccDateOfBirth": ["2004-02"]}, None)) == "2004-02-29T00:00:00.000Z"
    assert render_value(evaluate({"dccDateOfBirth": ["2004"]}, None)) == "2004-12-31T00:00:00.000Z"
    assert is_refused({"dccDateOfBirth": ["2004-02-01T00:00:00Z"]})


# reduce


def test_reduce_folds_from_the_left_and_shows_the_lambda_nothing_else() -> None:
    pairs = {"reduce": [{"var": "a"}, [{"var": "accumulator"}, {"var": "current"}, {"var": "a"}], 0]}
    assert evaluate(pairs, {"a": [1, 2]}) == [[0, 1, None], 2, None]


@given(st.lists(st.integers(-1000, 1000), max_size=20), st.integers(-1000, 1000))
def test_reducing_with_plus_is_the_sum(numbers: list[int], initial: int) -> None:
    total = {"reduce": [{"var": ""}, {"+": [{"var": "accumulator"}, {"var": "current"}]}, initial]}
    assert evaluate(total, numbers) == sum(numbers, initial)


def test_the_initial_value_sees_the_data_and_is_the_answer_for_nothing() -> None:
    rule = {"reduce": [{"var": "items"}, MALFORMED, {"var": "start"}]}
    assert evaluate(rule, {"items": [], "start": 7}) == 7
    assert evaluate(rule, {"start": 7}) == 7
    assert is_refused(rule, {"items": [1], "start": 7})


@pytest.mark.parametrize("array", ["abc", {"a": 1}, 1, True])
def test_reduce_refuses_what_is_not_an_array(array: Any) -> None:
    assert is_refused({"reduce": [{"var": ""}, 1, 0]}, array)


# extractFromUVCI

UVCI = "URN:UVCI:01:NL:187/37512422923#5"


@pytest.mark.parametrize(
    ("uvci", "index", "fragment"),
    [
        (UVCI, 0, "01"),
        (UVCI, 1, "NL"),
        (UVCI, 3, "37512422923"),
        (UVCI, 4, "5"),
        (UVCI, 5, None),
        (UVCI, -1, None),
        (UVCI.removeprefix("URN:UVCI:"), 1, "NL"),
        ("urn:uvci:01", 0, "urn"),
        ("URN:UVCI:URN:UVCI:01", 0, "URN"),
        ("a::c/#/f", 1, ""),
        ("a::c/#/f", 5, "f"),
        ("a::c/#/f", 6, None),
        ("", 0, ""),
        ("", 1, None),
        (None, 0, None),
    ],
)
def test_a_uvci_falls_into_fragments_after_its_prefix(uvci: str | None, index: int, fragment: str | None) -> None:
    assert evaluate({"extractFromUVCI": [{"var": ""}, index]}, uvci) == fragment


@pytest.mark.parametrize(("uvci", "index"), [(1, 0), ([], 0), (True, 0), ("a", "0"), ("a", True), ("a", None)])
def test_a_uvci_is_a_text_and_its_index_an_integer(uvci: Any, index: Any) -> None:
    assert is_refused({"extractFromUVCI": [{"var": ""}, index]}, uvci)


# Errors


def test_an_error_says_where_and_what_is_allowed_but_not_what_the_data_held() -> None:
    rule = {"if": [True, {"not-after": [{"plusTime": [{"var": "dt"}, 0, "day"]}, OLDER]}, False]}
    with pytest.raises(EvaluationError) as caught:
        evaluate(rule, {"dt": "secret"})
    assert caught.value.path == "$.if[1]['not-after'][0]"
    assert "YYYY-MM-DD" in caught.value.reason
    assert "secret" not in str(caught.value)
    with pytest.raises(EvaluationError, match='operand 1 of "plusTime" must be a string, and is null'):
        evaluate(rule, {})


# Compiled and validated

operations = ["if", "and", "!", "===", "in", "+", ">", "<=", "after", "not-before", "plusTime", "reduce", "nonsense"]
expressions = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "day", "2020-02-29", 1.5])
    | st.sampled_from(["", "a", "b.0", "current", "accumulator"]).map(lambda path: {"var": path})
    | st.just({"plusTime": [{"var": "a"}, 1, "month"]}),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.builds(lambda name, operands: {name: operands}, st.sampled_from(operations), st.lists(inner, max_size=3))
    ),
    max_leaves=12,
)


def outcome_of(expression: Any, data: Any) -> tuple[Any, EvaluationError | None]:
    try:
        return render_value(evaluate(expression, data)), None
    except EvaluationError as error:
        return None, error


@given(expressions, json_values)
def test_an_evaluation_ends_in_a_value_or_in_an_evaluation_error(expression: Any, data: Any) -> None:
    value, error = outcome_of(expression, data)
    if error is None:
        assert render_value(compile_expression(expression)(data)) == value
    else:
        assert error.path.startswith("$")


@given(expressions, json_values)
def test_a_validated_expression_fails_over_its_data_and_never_over_its_form(expression: Any, data: Any) -> None:
    if validate(expression):
        return
    _, error = outcome_of(expression, data)
    if error is not None:
        assert error.reason.startswith(("operand", "a date-time"))
        assert "written as such" not in error.reason
