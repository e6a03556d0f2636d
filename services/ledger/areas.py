"""The area tree from its file: CSV with code, name, level, parent."""

from __future__ import annotations

import csv
from pathlib import Path

from chassis.settings import SettingsError
from services.ledger.domain.areas import Area, AreaTree, Level


def read_areas(path: Path) -> AreaTree:
    """Raises `SettingsError` when the file is missing, malformed, or has not exactly one root."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [Area(row["code"], Level(row["level"]), row["parent"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as error:
        raise SettingsError(f"AREA_FILE: {path} is not a table of areas ({type(error).__name__})") from None
    roots = [row.code for row in rows if not row.parent]
    if len(roots) != 1:
        raise SettingsError(f"AREA_FILE: {path} has {len(roots)} roots instead of one city")
    return AreaTree({row.code: row for row in rows}, roots[0])
