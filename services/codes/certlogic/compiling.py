"""Turns an expression into closures, so that the form of a rule is looked at once and not for every traveller."""

from collections.abc import Callable
from typing import NoReturn

from services.codes.certlogic.errors import EvaluationError
from services.codes.certlogic.forms import Problem, malformations_of, path_of_operand
from services.codes.certlogic.limits import Budget, excess_of
from services.codes.certlogic.operations import BUILDERS, Evaluator, Site, build_var

_STACK_USED_UP = "the process has too little stack left to evaluate this expression"


def evaluate(expression: object, data: object) -> object:
    """The value of the expression for this data. Raises EvaluationError where it has none."""
    return compile_expression(expression)(data)


def compile_expression(expression: object) -> Callable[[object], object]:
    """A function from data to value, safe to call from many threads; it raises EvaluationError where there is none.

    Raises EvaluationError at once only for an expression that is too large. One that is malformed in places compiles,
    and fails where evaluation comes to such a place; `validate` finds them all beforehand.
    """
    excess = excess_of(expression)
    if excess is not None:
        raise EvaluationError(excess)
    try:
        root = _compile(expression, "$")
    except RecursionError:
        raise EvaluationError(_STACK_USED_UP) from None

    def evaluate_compiled(data: object) -> object:
        try:
            return root(data, Budget())
        except RecursionError:
            raise EvaluationError(_STACK_USED_UP) from None

    return evaluate_compiled


def _compile(expression: object, path: str) -> Evaluator:
    problem = next(malformations_of(expression, path), None)
    if problem is not None:
        return _compile_malformed(problem)
    if isinstance(expression, dict):
        return _compile_operation(expression, path)
    if isinstance(expression, list):
        return _compile_array(expression, path)
    return lambda _data, _budget: expression


def _compile_malformed(problem: Problem) -> Evaluator:
    def fail(_data: object, _budget: Budget) -> NoReturn:
        raise EvaluationError(problem.message, problem.path)

    return fail


def _compile_operation(expression: dict[str, list[object] | str], path: str) -> Evaluator:
    ((operation, written),) = expression.items()
    if isinstance(written, str):
        return build_var(written)
    operands = [_compile(operand, path_of_operand(path, operation, index)) for index, operand in enumerate(written)]
    return BUILDERS[operation](Site(operation, path, tuple(written), operands))


def _compile_array(items: list[object], path: str) -> Evaluator:
    if all(isinstance(item, str) for item in items):
        # Lists of codes are what rules mostly hold. The copy keeps a caller who alters a result from altering the rule.
        texts = tuple(items)
        return lambda _data, _budget: list(texts)
    evaluators = [_compile(item, f"{path}[{index}]") for index, item in enumerate(items)]
    return lambda data, budget: [evaluator(data, budget) for evaluator in evaluators]
