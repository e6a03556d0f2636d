"""The names of areas, from the dated reference file."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CODE_AT_END = re.compile(r"(\d{4,12})\D*$")


@dataclass(frozen=True, slots=True)
class Areas:
    """Names by code, each with its district's before it where it lies in one."""

    names: Mapping[str, str]
    names_en: Mapping[str, str]

    def name_of(self, code: str) -> str:
        """A grid has no name of its own and goes by its community's; an unknown code is shown as it is."""
        known = next((code[:length] for length in (12, 9, 6, 4) if code[:length] in self.names), None)
        if known is None:
            return code
        district = self.names.get(known[:6], "")
        return self.names[known] if len(known) <= 6 else f"{district} {self.names[known]}"

    def owner_of(self, owner: str) -> str:
        """An owner that ends in the code of an area (such as `district/440103`) with the area's name."""
        found = _CODE_AT_END.search(owner)
        return owner if found is None else self.name_of(found[1])

    def city(self) -> tuple[str, str]:
        """The root's name, Chinese and English."""
        root = min(self.names, key=len, default="")
        return self.names.get(root, ""), self.names_en.get(root, "")


def read_areas(file: Path) -> Areas:
    """Read the CSV with `code,name,level,parent,…`. Raises OSError or KeyError when it is not that."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return Areas(
        names={row["code"]: row["name"] for row in rows},
        names_en={row["code"]: row["name_en"] for row in rows if row.get("name_en")},
    )
