"""The form of every operation, as one table that the compiler and the validator both read.

What is malformed here is malformed to both; they differ in when they say so. The validator reports it at once, the
compiler only where evaluation comes to it, because `if` and `and` never look at what they do not need.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.codes.certlogic.date_times import TIME_UNITS
from services.codes.certlogic.values import INTEGER_MAX, Kind, is_integer


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an expression, where in it (as a JSON path), and what would be allowed there."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class LiteralOperand:
    """An operand that is read as it stands and never evaluated."""

    index: int
    is_allowed: Callable[[object], bool]
    allowed: str


@dataclass(frozen=True, slots=True)
class Form:
    """How many operands there are, what each must evaluate to (the last entry holds for all further ones), and what
    comes out."""

    operands_min: int
    operands_max: int | None
    takes: tuple[Kind, ...]
    yields: Kind
    literals: tuple[LiteralOperand, ...] = ()

    def kinds_taken(self, index: int) -> Kind:
        return self.takes[min(index, len(self.takes) - 1)]

    def is_literal(self, index: int) -> bool:
        return any(literal.index == index for literal in self.literals)


_AN_INTEGER: Final = LiteralOperand(1, is_integer, "an integer, written as such")
_A_TIME_UNIT: Final = LiteralOperand(2, lambda value: value in TIME_UNITS, "one of " + ", ".join(TIME_UNITS))

_OF_INTEGERS: Final = Form(2, 3, (Kind.INTEGER,), Kind.BOOLEAN)
_OF_DATE_TIMES: Final = Form(2, 3, (Kind.DATE_TIME,), Kind.BOOLEAN)

FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "if": Form(3, 3, (Kind.TRUTH_BEARING, Kind.ANY), Kind.ANY),
        "and": Form(2, None, (Kind.TRUTH_BEARING,), Kind.TRUTH_BEARING),
        "!": Form(1, 1, (Kind.TRUTH_BEARING,), Kind.BOOLEAN),
        "===": Form(2, 2, (Kind.ANY,), Kind.BOOLEAN),
        "in": Form(2, 2, (Kind.ANY, Kind.ARRAY), Kind.BOOLEAN),
        "+": Form(2, 2, (Kind.INTEGER,), Kind.INTEGER),
        ">": _OF_INTEGERS,
        "<": _OF_INTEGERS,
        ">=": _OF_INTEGERS,
        "<=": _OF_INTEGERS,
        "after": _OF_DATE_TIMES,
        "before": _OF_DATE_TIMES,
        "not-after": _OF_DATE_TIMES,
        "not-before": _OF_DATE_TIMES,
        "plusTime": Form(3, 3, (Kind.STRING,), Kind.DATE_TIME, (_AN_INTEGER, _A_TIME_UNIT)),
        "dccDateOfBirth": Form(1, 1, (Kind.STRING,), Kind.DATE_TIME),
        "reduce": Form(3, 3, (Kind.ARRAY | Kind.NULL, Kind.ANY), Kind.ANY),
        "extractFromUVCI": Form(2, 2, (Kind.STRING | Kind.NULL,), Kind.STRING | Kind.NULL, (_AN_INTEGER,)),
    }
)
OPERATIONS: Final = ("var", *FORMS)


def malformations_of(expression: object, path: str) -> Iterator[Problem]:
    """What is wrong with the form of this one expression, leaving its operands to their own turn."""
    if isinstance(expression, dict):
        yield from _malformed_operation(expression, path)
    elif isinstance(expression, int) and not isinstance(expression, bool) and not is_integer(expression):
        yield Problem(path, f"an integer lies between -{INTEGER_MAX} and {INTEGER_MAX}")
    elif not isinstance(expression, bool | int | str | list):
        yield Problem(path, "an expression is a boolean, an integer, a string, an array or an operation")


def _malformed_operation(expression: Mapping[object, object], path: str) -> Iterator[Problem]:
    if len(expression) != 1:
        yield Problem(path, f"an operation is an object with exactly 1 key, and this one has {len(expression)}")
        return
    ((operation, operands),) = expression.items()
    if operation == "var":
        if not isinstance(operands, str):
            yield Problem(path, '"var" takes a path, which is a string such as "payload.v.0.dn", without an array')
    elif not isinstance(operation, str) or operation not in FORMS:
        yield Problem(path, f"{_shorten(operation)} is no operation; there are {', '.join(OPERATIONS)}")
    else:
        yield from _malformed_operands(operation, operands, path)


def _malformed_operands(operation: str, operands: object, path: str) -> Iterator[Problem]:
    form = FORMS[operation]
    if not isinstance(operands, list):
        yield Problem(path, f'"{operation}" takes an array of {_count_allowed(form)}')
        return
    count = len(operands)
    if count < form.operands_min or (form.operands_max is not None and count > form.operands_max):
        yield Problem(path, f'"{operation}" takes {_count_allowed(form)}, and here it has {count}')
        return
    for literal in form.literals:
        if not literal.is_allowed(operands[literal.index]):
            message = f'operand {literal.index + 1} of "{operation}" must be {literal.allowed}'
            yield Problem(path_of_operand(path, operation, literal.index), message)


def _count_allowed(form: Form) -> str:
    if form.operands_max is None:
        return f"{form.operands_min} or more operands"
    if form.operands_min == form.operands_max:
        return f"{form.operands_min} operand{'s' if form.operands_min > 1 else ''}"
    return f"{form.operands_min} to {form.operands_max} operands"


def path_of_operand(path: str, operation: str, index: int) -> str:
    step = f".{operation}" if operation.isidentifier() else f"['{operation}']"
    return f"{path}{step}[{index}]"


def _shorten(name: object) -> str:
    text = f'"{name}"'
    return text if len(text) <= 40 else f'{text[:36]}…"'
