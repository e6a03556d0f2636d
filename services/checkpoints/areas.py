"""The area tree: which nodes there are. A code begins with its parent's, so a subtree is a prefix."""

from __future__ import annotations

import csv
from pathlib import Path

_COMMUNITY_CHARACTERS, _GRID_CHARACTERS_MAX = 12, 18


class Areas:
    def __init__(self, codes: frozenset[str], root: str = "") -> None:
        self._codes, self.root = codes, root

    def has(self, area: str) -> bool:
        """Whether the node exists; a grid is any extension of a community's code by digits."""
        if area in self._codes:
            return True
        is_grid = _COMMUNITY_CHARACTERS < len(area) <= _GRID_CHARACTERS_MAX and area.isascii() and area.isdigit()
        return is_grid and area[:_COMMUNITY_CHARACTERS] in self._codes


def read_areas(file: Path) -> Areas:
    with file.open(encoding="utf-8", newline="") as rows:
        parents = {row["code"]: row["parent"] for row in csv.DictReader(rows)}
    return Areas(frozenset(parents), next((code for code, parent in parents.items() if not parent), ""))
