"""Finds, before a rule comes into force, what in it could never evaluate.

Beyond the form it follows the kinds: which ones an expression can evaluate to, against which ones its place takes. Only
what must fail is reported; data that is not there yet is given the benefit of the doubt.
"""

from collections.abc import Iterator
from functools import reduce
from operator import or_

from services.codes.certlogic.forms import FORMS, Problem, malformations_of, path_of_operand
from services.codes.certlogic.limits import excess_of
from services.codes.certlogic.values import Kind, describe, kind_of


def validate(expression: object) -> list[Problem]:
    """Every problem of the expression, outermost first; an empty list is leave to use it."""
    excess = excess_of(expression)
    if excess is not None:
        return [Problem("$", excess)]
    return list(_problems_of(expression, "$"))


def _problems_of(expression: object, path: str) -> Iterator[Problem]:
    yield from malformations_of(expression, path)
    if isinstance(expression, list):
        for index, item in enumerate(expression):
            yield from _problems_of(item, f"{path}[{index}]")
    elif isinstance(expression, dict):
        for operation, written in expression.items():
            yield from _problems_within(operation, written, path)


def _problems_within(operation: object, written: object, path: str) -> Iterator[Problem]:
    if operation == "var" and isinstance(written, str):
        yield from _empty_fragments(written, path)
    elif isinstance(operation, str) and operation in FORMS and isinstance(written, list):
        for index, operand in enumerate(written):
            if not FORMS[operation].is_literal(index):
                yield from _problems_of_operand(operation, index, operand, path)


def _empty_fragments(data_path: str, path: str) -> Iterator[Problem]:
    # This one would evaluate, to null for ever: always a slip of the pen, never a meaning.
    if data_path != "" and "" in data_path.split("."):
        yield Problem(
            path, 'a path is fragments joined by single dots, such as "payload.v.0.dn", or "" for all the data'
        )


def _problems_of_operand(operation: str, index: int, operand: object, path: str) -> Iterator[Problem]:
    where = path_of_operand(path, operation, index)
    taken, possible = FORMS[operation].kinds_taken(index), _possible_kinds(operand)
    if not taken & possible:
        message = f'operand {index + 1} of "{operation}" must be {describe(taken)}, and is {describe(possible)}'
        yield Problem(where, message)
    yield from _problems_of(operand, where)


def _possible_kinds(expression: object) -> Kind:
    """The kinds the expression can evaluate to; all of them where it is malformed, so that a fault is reported once."""
    if next(malformations_of(expression, ""), None) is not None:
        return Kind.ANY
    if not isinstance(expression, dict):
        return kind_of(expression)
    ((operation, written),) = expression.items()
    if operation == "if":
        return _possible_kinds(written[1]) | _possible_kinds(written[2])
    if operation == "and":
        return reduce(or_, map(_possible_kinds, written)) & Kind.TRUTH_BEARING
    return FORMS[operation].yields if operation in FORMS else Kind.ANY
