"""The area tree: city, district, street, community, grid; a code begins with its parent's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

GRID_DIGITS_MAX = 15
_DISTRICT_DIGITS = 6


class Level(StrEnum):
    CITY = "city"
    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"


@dataclass(frozen=True, slots=True)
class Area:
    code: str
    level: Level
    parent: str


@dataclass(frozen=True, slots=True)
class AreaTree:
    """The nodes by code. Grids are not listed: their codes extend a community's, to at most 15 digits."""

    nodes: Mapping[str, Area]
    root: str

    def has(self, code: str) -> bool:
        return code in self.nodes or self._community_of_grid(code) is not None

    def nearest(self, code: str) -> str:
        """The code itself, or the longest listed beginning of it, or the root."""
        if self.has(code):
            return code
        beginnings = (code[:length] for length in range(len(code) - 1, 0, -1))
        return next((each for each in beginnings if each in self.nodes), self.root)

    def at_level(self, code: str, level: Level) -> str:
        """The ancestor (or self) at the level; of an area above that level, the area itself."""
        at = code
        while at:
            node = self.nodes.get(at)
            if node is not None and node.level == level:
                return at
            at = self.parent(at)
        return code

    def parent(self, code: str) -> str:
        """The node above; empty above the root."""
        node = self.nodes.get(code)
        return node.parent if node is not None else self._community_of_grid(code) or ""

    def _community_of_grid(self, code: str) -> str | None:
        beginning = self.nodes.get(code[:12])
        is_grid = 12 < len(code) <= GRID_DIGITS_MAX and code.isascii() and code.isdecimal()
        return beginning.code if is_grid and beginning is not None and beginning.level == Level.COMMUNITY else None


def district_of(code: str) -> str:
    """The GB/T 2260 code of the district that an area lies in; empty for the whole city."""
    return code[:_DISTRICT_DIGITS] if len(code) >= _DISTRICT_DIGITS else ""
