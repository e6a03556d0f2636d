"""What values are: their kinds, their truth and their equality, none of which is Python's.

Kinds go by exact type, since to Python True is an integer and 1.0 equals 1. A number with a decimal point is of kind
OTHER even where it is whole: platforms differ on it, and a rule must not.
"""

from enum import Flag, auto
from typing import Final

from services.codes.certlogic.date_times import DateTime, render_date_time
from services.codes.certlogic.errors import EvaluationError
from services.codes.certlogic.limits import NESTING_MAX, Budget

# The integers that every platform's numbers carry exactly (ECMAScript's Number.MAX_SAFE_INTEGER).
INTEGER_MAX: Final = 2**53 - 1


class Kind(Flag):
    NULL = auto()
    BOOLEAN = auto()
    INTEGER = auto()
    STRING = auto()
    ARRAY = auto()
    OBJECT = auto()
    DATE_TIME = auto()
    OTHER = auto()
    TRUTH_BEARING = NULL | BOOLEAN | INTEGER | STRING | ARRAY | OBJECT
    ANY = TRUTH_BEARING | DATE_TIME | OTHER


_KINDS: Final[dict[type, Kind]] = {
    type(None): Kind.NULL,
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    str: Kind.STRING,
    list: Kind.ARRAY,
    dict: Kind.OBJECT,
    DateTime: Kind.DATE_TIME,
}
_NAMES: Final = {
    Kind.NULL: "null",
    Kind.BOOLEAN: "a boolean",
    Kind.INTEGER: "an integer",
    Kind.STRING: "a string",
    Kind.ARRAY: "an array",
    Kind.OBJECT: "an object",
    Kind.DATE_TIME: "a date-time",
    Kind.OTHER: "something that is no integer, string, boolean, array, object or null",
}
_TRUTH_BEARING_TYPES: Final = frozenset(kind for kind in _KINDS if kind is not DateTime)


def kind_of(value: object) -> Kind:
    return _KINDS.get(type(value), Kind.OTHER)


def describe(kinds: Kind) -> str:
    """The kinds in words, as they stand after "must be"."""
    return " or ".join(name for kind, name in _NAMES.items() if kind in kinds)


def is_integer(value: object) -> bool:
    """A boolean is not an integer, whatever Python's class tree says."""
    return type(value) is int and -INTEGER_MAX <= value <= INTEGER_MAX


def bears_truth(value: object) -> bool:
    """Whether the value is truthy or falsy at all; where it is, `bool` tells which, the two lists being the same."""
    return type(value) in _TRUTH_BEARING_TYPES


def is_strictly_equal(left: object, right: object, budget: Budget) -> bool:
    """Equality without coercion, item by item for arrays and objects.

    The specification leaves arrays, objects and date-times open. By value is the reading under which a rule answers
    alike for data that was parsed once and data that was parsed twice.
    """
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        budget.spend(1)
        if type(one) is not type(other):
            return False
        if isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            pending.extend((one[key], other[key]) for key in one)
        elif one != other:
            return False
    return True


def render_value(value: object) -> object:
    """The value as JSON: date-times become strings. Raises EvaluationError for one too deep or too large to write."""
    return _render(value, NESTING_MAX, Budget())


def _render(value: object, levels_left: int, budget: Budget) -> object:
    budget.spend(1)
    if levels_left == 0:
        raise EvaluationError(f"a value is nested at most {NESTING_MAX} levels deep, and this one is deeper")
    if isinstance(value, DateTime):
        return render_date_time(value)
    if isinstance(value, list):
        return [_render(item, levels_left - 1, budget) for item in value]
    if isinstance(value, dict):
        return {key: _render(item, levels_left - 1, budget) for key, item in value.items()}
    return value
