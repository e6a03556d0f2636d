"""How large an expression may be and how much work it may ask for, so that no rule can stall or crash a gate."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.codes.certlogic.errors import EvaluationError

# JSON levels; an operation takes two, its object and its array. The national rules in tests/conformance reach 14.
NESTING_MAX = 150
# JSON values in one expression. The national rules in tests/conformance reach 46.
NODES_MAX = 10_000
# Steps of one evaluation beyond a single pass over the expression: only `reduce`, `in` and `===` ask for such.
STEPS_MAX = 1_000_000


@dataclass(slots=True)
class Budget:
    """The steps that one evaluation has left; nested reductions multiply, so they all draw on the same one."""

    steps_left: int = STEPS_MAX

    def spend(self, steps: int) -> None:
        self.steps_left -= steps
        if self.steps_left < 0:
            raise EvaluationError(f"an evaluation takes at most {STEPS_MAX} steps, and this one asks for more")


def _walk(expression: object) -> Iterator[int]:
    # With a list of its own instead of recursion: this is what runs before anything is known to be shallow.
    pending = [(expression, 1)]
    while pending:
        value, depth = pending.pop()
        yield depth
        if isinstance(value, dict):
            pending.extend((child, depth + 1) for child in value.values())
        elif isinstance(value, list):
            pending.extend((child, depth + 1) for child in value)


def count_nodes(expression: object) -> int:
    return sum(1 for _ in _walk(expression))


def excess_of(expression: object) -> str | None:
    """What is too much about the expression, or None. Ends also on one that contains itself."""
    for nodes, depth in enumerate(_walk(expression), start=1):
        if depth > NESTING_MAX:
            return f"an expression is nested at most {NESTING_MAX} levels deep, and this one is deeper"
        if nodes > NODES_MAX:
            return f"an expression holds at most {NODES_MAX} values, and this one holds more"
    return None
