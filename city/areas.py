"""The area tree: city, district, street, community, grid; a code begins with its parent's, so a subtree is a prefix."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

COMMUNITY_DIGITS, GRID_DIGITS_MAX = 12, 18
_DISTRICT_DIGITS = 6

_DIVISION = re.compile(
    "(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12])"  # a province, as GB/T 2260 numbers them
    "(?:[0-9]{2}|[0-9]{4}|[0-9]{7,16})?"  # its city, its district, a street's three digits and what is numbered below
)

_FILLED_UP = re.compile("(?:00){1,2}$")

OUTSIDE_OR_NODE = (
    "must be a node of the area tree or, outside the city, a division code of GB/T 2260: 2 digits for a province, "
    "4 for a city, 6 for a district, 9 for a street, and more for what lies within a street"
)
NODE = "must be a node of the area tree: the city, a district, a street, a community, or a grid of a community"


class Level(StrEnum):
    CITY = "city"
    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"


class AreaFileMalformed(ValueError):
    """The file is not a table of areas with one city; the message says why."""


@dataclass(frozen=True, slots=True)
class Area:
    code: str
    level: Level
    parent: str


@dataclass(frozen=True, slots=True)
class AreaTree:
    """The nodes by code. Grids are not listed: their codes extend a community's, to at most 18 digits."""

    nodes: Mapping[str, Area]
    root: str

    def has(self, code: str) -> bool:
        return code in self.nodes or self._community_of_grid(code) is not None

    def has_or_lies_outside(self, code: str) -> bool:
        """Whether somebody may have been there: a node, or a division of China (GB/T 2260) outside the city."""
        return self.has(code) or (not code.startswith(self.root) and _DIVISION.fullmatch(code) is not None)

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
        beginning = self.nodes.get(code[:COMMUNITY_DIGITS])
        is_grid = COMMUNITY_DIGITS < len(code) <= GRID_DIGITS_MAX and code.isascii() and code.isdecimal()
        return beginning.code if is_grid and beginning is not None and beginning.level == Level.COMMUNITY else None


def read_areas(path: Path) -> AreaTree:
    """The tree of a CSV file with code, name, level, parent. Raises `AreaFileMalformed`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [Area(row["code"], Level(row["level"]), row["parent"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise AreaFileMalformed(f"{path} is not a table of areas ({type(error).__name__})") from None
    roots = [row.code for row in rows if not row.parent]
    if len(roots) != 1:
        raise AreaFileMalformed(f"{path} has {len(roots)} areas without a parent instead of one city")
    return AreaTree({row.code: row for row in rows}, roots[0])


def district_of(code: str) -> str:
    """The GB/T 2260 code of the district that an area lies in; empty for the whole city."""
    return code[:_DISTRICT_DIGITS] if len(code) >= _DISTRICT_DIGITS else ""


def subtree_of(code: str) -> str:
    """What the codes of all areas within begin with: GB/T 2260 fills the code of a province or city up with zeros."""
    return _FILLED_UP.sub("", code) if len(code) == _DISTRICT_DIGITS else code
