"""How deep a JSON body is and how much it holds, counted before anything reads it.

Validation answers for each member that it does not know: 90,000 of them took a second and a half. No endpoint takes a
body near these bounds; the largest legal one is a list of 1,000 things with some twenty members each.
"""

from __future__ import annotations

import re

from chassis.problems import Problem

VALUES_MAX = 50_000
MEMBERS_MAX = 256
"""Of one object."""
DEPTH_MAX = 64
LARGE_BYTES = 16_384
"""A larger body is counted in a thread: counting takes milliseconds."""

_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""One that does not end is taken to the end, or each quote in it would be tried as a beginning."""
_STRUCTURE = b"{}[],"
_OTHERS = bytes(set(range(256)) - set(_STRUCTURE))
_COMMA = ord(",")
_OPENING = frozenset(b"{[")
_OBJECT = ord("{")


def too_much_of(body: bytes) -> Problem | None:
    """The refusal of a body that holds too much; what is no JSON is refused elsewhere."""
    if body.count(b",") < MEMBERS_MAX and body.count(b"{") + body.count(b"[") <= DEPTH_MAX:
        return None
    keys_at_least = body.count(b'":') - body.count(b'\\":')
    if keys_at_least > VALUES_MAX:
        return _too_many_values()
    structure = _STRINGS.sub(b"", body).translate(None, _OTHERS)
    if structure.count(b",") + structure.count(b"{") + structure.count(b"[") > VALUES_MAX:
        return _too_many_values()
    return _walked(structure)


def _walked(structure: bytes) -> Problem | None:
    open_ones: list[int] = []
    """The members that each object still may have; for a list, more than there can be."""
    for character in structure:
        if character in _OPENING:
            open_ones.append(MEMBERS_MAX if character == _OBJECT else VALUES_MAX + 1)
            if len(open_ones) > DEPTH_MAX:
                return Problem(422, "too_deep", f"The body has more than {DEPTH_MAX} levels.")
        elif character != _COMMA:
            if open_ones:
                open_ones.pop()
        elif open_ones:
            open_ones[-1] -= 1
            if not open_ones[-1]:
                return Problem(422, "too_many_values", f"An object of the body has more than {MEMBERS_MAX} members.")
    return None


def _too_many_values() -> Problem:
    return Problem(422, "too_many_values", f"The body holds more than {VALUES_MAX} values. Send it in parts.")
