"""The area tree, from its file: which codes exist."""

from __future__ import annotations

import csv
from pathlib import Path

from chassis.settings import SettingsError

_COMMUNITY_DIGITS, _GRID_DIGITS_MAX = 12, 18


class AreaTree:
    def __init__(self, codes: frozenset[str]) -> None:
        self._codes = codes

    def has(self, code: str) -> bool:
        """Whether the code is a node; a grid's code extends its community's."""
        if code in self._codes:
            return True
        is_grid = code.isdigit() and _COMMUNITY_DIGITS < len(code) <= _GRID_DIGITS_MAX
        return is_grid and code[:_COMMUNITY_DIGITS] in self._codes


def read_areas(path: Path) -> AreaTree:
    """Raises `SettingsError`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            codes = frozenset(row["code"] for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError) as error:
        raise SettingsError(f"AREA_FILE: cannot be used ({type(error).__name__})") from None
    return AreaTree(codes)
