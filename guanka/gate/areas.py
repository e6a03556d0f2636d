"""The area tree by name, on the gate's own disk: a guard knows where somebody goes, and no code of twelve digits."""

from __future__ import annotations

import csv
import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SHOWN_MAX = 9
_COMMUNITY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree. `own` and `path` are its names and those of all that it lies in, as they are looked for."""

    code: str
    label: str
    own: str
    path: str


class AreaNames:
    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes = {node.code: node for node in nodes}

    def has(self, code: str) -> bool:
        """Grids are not listed: their codes extend a community's."""
        return code in self._nodes or code[:_COMMUNITY_DIGITS] in self._nodes

    def label(self, code: str) -> str:
        node = self._nodes.get(code[:_COMMUNITY_DIGITS])
        return code if node is None else f"{code} {node.label}"

    def find(self, text: str) -> list[str]:
        """The codes of what may be meant: every word stands in the path, and where it can be, the last in the own name.

        Whatever is called exactly so comes alone.
        """
        words = [_plain(word) for word in text.split()]
        found = [node for node in self._nodes.values() if words and all(word in node.path for word in words)]
        own = [node for node in found if words[-1] in node.own]
        called = [node for node in own if words[-1] in node.own.split("|")]
        return [node.code for node in called or own or found]

    def close_to(self, text: str) -> list[str]:
        """Names that are spelt alike."""
        names = {name: node.code for node in self._nodes.values() for name in node.own.split("|") if name}
        return [names[name] for name in difflib.get_close_matches(_plain(text), list(names), n=3, cutoff=0.5)]


def read_area_names(path: Path) -> AreaNames:
    """Of a table with `code`, `name`, `parent` and `name_en`. Raises OSError, KeyError."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["code"]: row for row in csv.DictReader(file)}
    return AreaNames(_node(row, rows) for row in rows.values())


def _node(row: dict[str, str], rows: dict[str, dict[str, str]]) -> Node:
    line: list[dict[str, str]] = [row]
    while (above := rows.get(line[0]["parent"])) is not None:
        line.insert(0, above)
    label = " ".join(_short(each["name"]) for each in line[1:] or line)
    return Node(row["code"], label, _names(row), "|".join(_names(each) for each in line))


def _names(row: dict[str, str]) -> str:
    """A community is called by its short name as well: 翠洲 for 翠洲社区居民委员会."""
    name = row["name"]
    shorter = [name.removesuffix(end) for end in _ENDS if name.endswith(end) and len(name) > len(end) + 1]
    return "|".join(dict.fromkeys(_plain(each) for each in (name, _short(name), *shorter, row.get("name_en") or "")))


_ENDS = ("社区居民委员会", "居民委员会", "村民委员会", "社区", "街道", "镇", "区", "街", "村")


def _short(name: str) -> str:
    return name.removesuffix("居民委员会").removesuffix("村民委员会")


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def choices(names: AreaNames, codes: Sequence[str]) -> str:
    return "; ".join(f"{number} = {names.label(code)}" for number, code in enumerate(codes, 1))
