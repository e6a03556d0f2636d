"""A hostile expression costs little and is refused by name."""

import sys
import time
from typing import Any

import pytest

from services.codes.certlogic import (
    NESTING_MAX,
    NODES_MAX,
    EvaluationError,
    compile_expression,
    evaluate,
    render_value,
    validate,
)


def arrays(levels: int) -> Any:
    nested: Any = "x"
    for _ in range(levels - 1):
        nested = [nested]
    return nested


def negations(levels: int) -> Any:
    nested: Any = {"var": ""}
    for _ in range((levels - 2) // 2):
        nested = {"!": [nested]}
    return nested


@pytest.mark.parametrize("nest", [arrays, negations])
def test_the_deepest_allowed_expression_is_validated_and_evaluated(nest: Any) -> None:
    deepest = nest(NESTING_MAX)
    assert validate(deepest) == []
    assert evaluate(deepest, True) is not None


@pytest.mark.parametrize("levels", [NESTING_MAX + 2, 100_000])
@pytest.mark.parametrize("nest", [arrays, negations])
def test_a_deeper_one_is_refused_however_deep(nest: Any, levels: int) -> None:
    nested = nest(levels)
    (problem,) = validate(nested)
    assert f"at most {NESTING_MAX} levels" in problem.message
    with pytest.raises(EvaluationError, match=f"at most {NESTING_MAX} levels"):
        compile_expression(nested)


def test_an_expression_that_contains_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    (problem,) = validate(ring)
    assert "levels" in problem.message


def test_an_expression_of_too_many_values_is_refused() -> None:
    assert evaluate([1] * (NODES_MAX - 1), None) == [1] * (NODES_MAX - 1)
    with pytest.raises(EvaluationError, match=f"at most {NODES_MAX} values"):
        evaluate([1] * NODES_MAX, None)
    (problem,) = validate([1] * NODES_MAX)
    assert f"at most {NODES_MAX} values" in problem.message


def test_one_array_used_many_times_over_is_counted_each_time() -> None:
    shared: list[Any] = ["x"] * 10
    for _ in range(20):
        shared = [shared] * 10
    with pytest.raises(EvaluationError, match="values"):
        compile_expression(shared)


def nested_reductions(levels: int) -> Any:
    counted: Any = {"+": [{"var": "accumulator"}, 1]}
    for _ in range(levels):
        counted = {"reduce": [list(range(40)), counted, 0]}
    return counted


def test_reductions_within_reductions_run_out_of_steps_and_not_out_of_time() -> None:
    assert evaluate(nested_reductions(2), None) == 40
    started = time.process_time()
    with pytest.raises(EvaluationError, match="steps"):
        evaluate(nested_reductions(9), None)
    assert time.process_time() - started < 30


DOUBLING = {"reduce": [{"var": ""}, [{"var": "accumulator"}, {"var": "accumulator"}], 1]}


def test_comparing_values_that_double_at_every_step_runs_out_of_steps() -> None:
    with pytest.raises(EvaluationError, match="steps"):
        evaluate({"===": [DOUBLING, DOUBLING]}, [0] * 100)
    with pytest.raises(EvaluationError, match="steps"):
        evaluate({"in": [DOUBLING, [DOUBLING]]}, [0] * 100)


def test_rendering_a_value_too_large_or_too_deep_is_refused() -> None:
    with pytest.raises(EvaluationError, match="steps"):
        render_value(evaluate(DOUBLING, [0] * 100))
    deepening = {"reduce": [{"var": ""}, [{"var": "accumulator"}], 1]}
    with pytest.raises(EvaluationError, match="levels"):
        render_value(evaluate(deepening, [0] * 50_000))


def test_data_of_any_depth_is_compared_without_recursion() -> None:
    def deep() -> Any:
        return arrays(50_000)

    assert evaluate({"===": [{"var": "0"}, {"var": "1"}]}, [deep(), deep()]) is True


def test_a_caller_with_no_stack_left_gets_an_evaluation_error() -> None:
    compiled = compile_expression(negations(NESTING_MAX))

    def sink(levels: int) -> object:
        return sink(levels - 1) if levels else compiled(True)

    frames_used = len_of_stack()
    with pytest.raises(EvaluationError, match="stack"):
        sink(sys.getrecursionlimit() - frames_used - 40)


def len_of_stack() -> int:
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1  # type: ignore[assignment]
    return count
