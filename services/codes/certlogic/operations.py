"""What every operation does, each as a function that builds the closure for one place in an expression."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from services.codes.certlogic.date_times import DateTime, parse_date_of_birth, parse_date_time, shift
from services.codes.certlogic.errors import EvaluationError
from services.codes.certlogic.forms import FORMS
from services.codes.certlogic.limits import Budget, count_nodes
from services.codes.certlogic.values import bears_truth, describe, is_integer, is_strictly_equal, kind_of

Evaluator = Callable[[object, Budget], object]

_UVCI_PREFIX: Final = "URN:UVCI:"
_UVCI_SEPARATOR: Final = re.compile("[/#:]")


@dataclass(frozen=True, slots=True)
class Site:
    """One operation at its place: its operands as written and as compiled, and how it complains."""

    operation: str
    path: str
    written: Sequence[Any]
    operands: Sequence[Evaluator]

    def mismatch(self, index: int, value: object) -> EvaluationError:
        allowed, found = describe(FORMS[self.operation].kinds_taken(index)), describe(kind_of(value))
        return self.failure(f'operand {index + 1} of "{self.operation}" must be {allowed}, and is {found}')

    def failure(self, reason: str) -> EvaluationError:
        return EvaluationError(reason, self.path)


Builder = Callable[[Site], Evaluator]


def build_var(path: str) -> Evaluator:
    """Digs into the data; whatever is not there, at whatever depth, is null."""
    if path == "":
        return lambda data, _budget: data
    # Nine digits are more than any array has items, and fewer than `int` refuses to read.
    fragments = [(key, int(key) if re.fullmatch("[0-9]{1,9}", key) else None) for key in path.split(".")]

    def var(data: object, _budget: Budget) -> object:
        value = data
        for key, index in fragments:
            if isinstance(value, dict):
                value = value.get(key)
            elif index is not None and isinstance(value, list) and index < len(value):
                value = value[index]
            else:
                return None
        return value

    return var


def _build_if(site: Site) -> Evaluator:
    guard_of, then_of, else_of = site.operands

    def if_then_else(data: object, budget: Budget) -> object:
        guard = guard_of(data, budget)
        if not bears_truth(guard):
            raise site.mismatch(0, guard)
        return then_of(data, budget) if guard else else_of(data, budget)

    return if_then_else


def _build_and(site: Site) -> Evaluator:
    operands = tuple(site.operands)

    def first_falsy_or_last(data: object, budget: Budget) -> object:
        value: object = None
        for index, operand in enumerate(operands):
            value = operand(data, budget)
            if not bears_truth(value):
                raise site.mismatch(index, value)
            if not value:
                return value
        return value

    return first_falsy_or_last


def _build_not(site: Site) -> Evaluator:
    (operand,) = site.operands

    def negation(data: object, budget: Budget) -> object:
        value = operand(data, budget)
        if not bears_truth(value):
            raise site.mismatch(0, value)
        return not value

    return negation


def _build_equality(site: Site) -> Evaluator:
    left_of, right_of = site.operands
    return lambda data, budget: is_strictly_equal(left_of(data, budget), right_of(data, budget), budget)


def _build_in(site: Site) -> Evaluator:
    item_of, array_of = site.operands

    def membership(data: object, budget: Budget) -> object:
        item, array = item_of(data, budget), array_of(data, budget)
        if type(array) is not list:
            raise site.mismatch(1, array)
        budget.spend(len(array))
        if type(item) is str:  # nothing but the same string equals a string, so Python's own search is safe, and fast
            return item in array
        return any(is_strictly_equal(item, member, budget) for member in array)

    return membership


def _build_sum(site: Site) -> Evaluator:
    left_of, right_of = site.operands

    def total(data: object, budget: Budget) -> object:
        left, right = left_of(data, budget), right_of(data, budget)
        if type(left) is not int:
            raise site.mismatch(0, left)
        if type(right) is not int:
            raise site.mismatch(1, right)
        if not is_integer(left + right):
            raise site.failure("the sum is beyond the integers that every platform can carry")
        return left + right

    return total


def _comparison(compare: Callable[[Any, Any], bool], required: type) -> Builder:
    def build(site: Site) -> Evaluator:
        operands = tuple(site.operands)

        def comparison(data: object, budget: Budget) -> object:
            values = [operand(data, budget) for operand in operands]
            # All are checked before any is compared: a mismatch in the third is one also where the first two say no.
            for index, value in enumerate(values):
                if type(value) is not required:
                    raise site.mismatch(index, value)
            return all(map(compare, values, values[1:]))

        return comparison

    return build


def _build_plus_time(site: Site) -> Evaluator:
    text_of = site.operands[0]
    _, amount, unit = site.written

    def plus_time(data: object, budget: Budget) -> object:
        text = text_of(data, budget)
        if type(text) is not str:
            raise site.mismatch(0, text)
        try:
            return shift(parse_date_time(text), amount, unit)
        except ValueError as error:
            raise site.failure(str(error)) from None

    return plus_time


def _build_date_of_birth(site: Site) -> Evaluator:
    (text_of,) = site.operands

    def date_of_birth(data: object, budget: Budget) -> object:
        text = text_of(data, budget)
        if type(text) is not str:
            raise site.mismatch(0, text)
        try:
            return parse_date_of_birth(text)
        except ValueError as error:
            raise site.failure(str(error)) from None

    return date_of_birth


def _build_reduce(site: Site) -> Evaluator:
    array_of, lambda_, initial_of = site.operands
    step_size = count_nodes(site.written[1])

    def left_fold(data: object, budget: Budget) -> object:
        array, accumulator = array_of(data, budget), initial_of(data, budget)
        if array is None:
            return accumulator
        if type(array) is not list:
            raise site.mismatch(0, array)
        budget.spend(len(array) * step_size)
        for item in array:
            accumulator = lambda_({"current": item, "accumulator": accumulator}, budget)
        return accumulator

    return left_fold


def _build_extract_from_uvci(site: Site) -> Evaluator:
    uvci_of = site.operands[0]
    index = site.written[1]

    def fragment(data: object, budget: Budget) -> object:
        uvci = uvci_of(data, budget)
        if uvci is None:
            return None
        if type(uvci) is not str:
            raise site.mismatch(0, uvci)
        fragments = _UVCI_SEPARATOR.split(uvci.removeprefix(_UVCI_PREFIX))
        return fragments[index] if 0 <= index < len(fragments) else None

    return fragment


BUILDERS: Final[Mapping[str, Builder]] = MappingProxyType(
    {
        "if": _build_if,
        "and": _build_and,
        "!": _build_not,
        "===": _build_equality,
        "in": _build_in,
        "+": _build_sum,
        ">": _comparison(operator.gt, int),
        "<": _comparison(operator.lt, int),
        ">=": _comparison(operator.ge, int),
        "<=": _comparison(operator.le, int),
        "after": _comparison(operator.gt, DateTime),
        "before": _comparison(operator.lt, DateTime),
        "not-after": _comparison(operator.le, DateTime),
        "not-before": _comparison(operator.ge, DateTime),
        "plusTime": _build_plus_time,
        "dccDateOfBirth": _build_date_of_birth,
        "reduce": _build_reduce,
        "extractFromUVCI": _build_extract_from_uvci,
    }
)
