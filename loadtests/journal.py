"""What a load process notes: every scan that was acknowledged, and of every request when it was meant to go and when it
was answered. Kept in memory while the load runs, written when it has ended, read again by loadtests/run.py.
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

SCAN_ID_BYTES = 16


class Kind(IntEnum):
    SINGLE = 0
    CARD = 1
    BATCH = 2
    REPEAT = 3
    SHOWING = 4


class Result(NamedTuple):
    """One answered request, or one that was not answered (`status` 0).

    `due_s` is when this attempt was meant to go, in seconds from the start; `latency_ms` runs from there to the answer,
    `waited_ms` from the moment the person came (the first attempt's `due_s`), `late_ms` is the generator's own delay.
    `length` is that of the answer's body in bytes; `is_refused` means politely: 503 and when to come again.
    `left` are the scans of an accepted batch whose own answer was a 503: they come again.
    """

    due_s: float
    latency_ms: float
    waited_ms: float
    late_ms: float
    status: int
    scans: int
    kind: int
    is_measured: int
    length: int
    is_refused: int
    left: int = 0

    @property
    def taken(self) -> int:
        """How many of its scans an acceptance took."""
        return self.scans - self.left if self.is_accepted else 0

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_error(self) -> bool:
        """Also where there was no answer, and a 503 that does not say when to come again."""
        return not (self.is_accepted or self.is_refused)


_TYPES = ("d", "f", "f", "f", "H", "H", "B", "B", "I", "B", "H")


@dataclass(slots=True)
class Journal:
    acknowledged: bytearray = field(default_factory=bytearray)
    unanswered: set[bytes] = field(default_factory=set)
    offered: int = 0
    wrong_answers: int = 0
    given_up: int = 0
    acknowledged_at: float = 0.0
    _columns: list[array[Any]] = field(default_factory=lambda: [array(kind) for kind in _TYPES])

    def acknowledge(self, scan_ids: bytes) -> None:
        """`scan_ids`: 16 bytes each."""
        self.acknowledged += scan_ids
        self.acknowledged_at = time.time()

    def leave_unanswered(self, scan_ids: bytes) -> None:
        self.unanswered.update(split(scan_ids))

    def note(self, result: Result) -> None:
        for column, value in zip(self._columns, result, strict=True):
            column.append(value)

    def results(self, since: int) -> list[Result]:
        """What was noted after the first `since`."""
        return list(map(Result._make, zip(*(column[since:] for column in self._columns), strict=True)))

    def write(self, folder: Path, **figures: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "acknowledged.bin").write_bytes(self.acknowledged)
        (folder / "unanswered.bin").write_bytes(b"".join(self.unanswered))
        for name, column in zip(Result._fields, self._columns, strict=True):
            (folder / f"{name}.bin").write_bytes(column.tobytes())
        for name in ("offered", "wrong_answers", "given_up", "acknowledged_at"):
            figures[name] = getattr(self, name)
        (folder / "figures.json").write_text(json.dumps(figures))


@dataclass(frozen=True, slots=True)
class Written:
    """The journals of all load processes together."""

    acknowledged: set[bytes]
    unanswered: set[bytes]
    results: list[Result]
    figures: dict[str, float]


def read_journals(folders: Iterable[Path]) -> Written:
    acknowledged: set[bytes] = set()
    unanswered: set[bytes] = set()
    results: list[Result] = []
    figures: dict[str, float] = {}
    for folder in folders:
        acknowledged.update(split((folder / "acknowledged.bin").read_bytes()))
        unanswered.update(split((folder / "unanswered.bin").read_bytes()))
        columns = []
        for name, kind in zip(Result._fields, _TYPES, strict=True):
            column = array(kind)
            column.frombytes((folder / f"{name}.bin").read_bytes())
            columns.append(column)
        results += map(Result._make, zip(*columns, strict=True))
        for name, value in json.loads((folder / "figures.json").read_text()).items():
            known = figures.get(name, 0)
            figures[name] = max(known, value) if name.endswith("_at") else known + value
    return Written(acknowledged, unanswered - acknowledged, results, figures)


def acknowledgements_in(folders: Iterable[Path]) -> int:
    return sum((folder / "acknowledged.bin").stat().st_size for folder in folders) // SCAN_ID_BYTES


def split(scan_ids: bytes) -> Iterator[bytes]:
    return (scan_ids[n : n + SCAN_ID_BYTES] for n in range(0, len(scan_ids), SCAN_ID_BYTES))
