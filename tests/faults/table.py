"""The table of faults: per fault what was sent, what was acknowledged, and the four counts that must be 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.journal import Journal, Verdict

_HEADINGS = ("fault", "rounds", "sent", "acknowledged", "not at once", "under way", "cut off", "resets", "silence, s")
_MUST_BE_0 = ("lost", "twice", "out of order", "other answer")


@dataclass
class Row:
    """One fault, its rounds added up."""

    fault: str
    rounds: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    resets: int = 0
    is_graceful: bool = False

    def is_kept(self) -> bool:
        """Nothing was lost …; and where a process was asked to end, nobody who had asked it went without an answer."""
        is_answered = self.verdict.cut_off == self.resets == 0
        return self.verdict.is_clean() and (is_answered or not self.is_graceful)

    def add(self, verdict: Verdict, journal: Journal) -> None:
        self.rounds += 1
        self.verdict += verdict
        self.resets += journal.outcomes["reset"]

    def cells(self) -> list[str]:
        v = self.verdict
        counts = (self.rounds, v.sent, v.acknowledged, v.unanswered)
        asked_to_end = (f"{v.under_way:,}", f"{v.cut_off:,}") if self.is_graceful else ("", "")
        must_be_0 = (v.lost, v.twice, v.disordered, v.contradicted)
        return [
            self.fault,
            *(f"{count:,}" for count in counts),
            *asked_to_end,
            f"{self.resets:,}",
            f"{v.longest_silence_s:.1f}",
            *(f"{count:,}" for count in must_be_0),
        ]


class Table:
    """Rows by fault, in the order in which they came."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.figures: dict[str, float] = {}

    def add(self, fault: str, verdict: Verdict, journal: Journal, *, is_graceful: bool = False) -> Row:
        row = self.rows.setdefault(fault, Row(fault))
        row.is_graceful = is_graceful
        row.add(verdict, journal)
        return row

    def note(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.figures[name] = max(value, self.figures.get(name, value))

    def lines(self) -> list[str]:
        """As Markdown, which a terminal shows as well."""
        cells = [[*_HEADINGS, *_MUST_BE_0], *(row.cells() for row in self.rows.values())]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["| " + " | ".join(_aligned(row, widths)) + " |" for row in cells]
        rule = "|" + "|".join("-" * (width + 1) + ("-" if n == 0 else ":") for n, width in enumerate(widths)) + "|"
        return [lines[0], rule, *lines[1:], *(f"\n{name}: {value:,.1f}" for name, value in self.figures.items())]

    def document(self) -> dict[str, Any]:
        return {"rows": [asdict(row) for row in self.rows.values()], "figures": self.figures}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Table:
        table = cls()
        for row in document["rows"]:
            table.rows[row["fault"]] = Row(**{**row, "verdict": Verdict(**row["verdict"])})
        table.figures = dict(document["figures"])
        return table


def _aligned(row: list[str], widths: list[int]) -> list[str]:
    """The name to the left, numbers to the right."""
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
