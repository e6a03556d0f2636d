"""The four colours, numbered as the status list numbers them (architecture D6)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Colour(IntEnum):
    """The value is the two bits of a status list entry; every unassigned entry is LAPSED."""

    GREEN = 0
    RED = 1
    YELLOW = 2
    LAPSED = 3

    @property
    def word(self) -> str:
        return self.name.lower()


VOID_BIT = 4
"""In a standing beside the two bits of the colour: no pass of this entry holds."""


def standing_value(colour: int, *, is_void: bool) -> int:
    """One byte of a standing."""
    return int(colour) | (VOID_BIT if is_void else 0)


_SEVERITY = (Colour.GREEN, Colour.LAPSED, Colour.YELLOW, Colour.RED)


def severity(colour: Colour) -> int:
    """Higher is worse: red, yellow, lapsed, green."""
    return _SEVERITY.index(colour)


def worst_of(colours: Iterable[Colour]) -> Colour:
    """Green where there is none."""
    return max(colours, key=severity, default=Colour.GREEN)
