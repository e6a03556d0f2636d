"""How far a file was read: known by what was read of it, for another file may come under the same name.

A file that was cut off goes on after what was read, also when it has grown since; any other content begins at its
beginning, or the people in its first lines would be passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice


@dataclass(frozen=True, slots=True)
class Progress:
    """So many lines of a file were read; `digest` is SHA-256 over them, in hexadecimal."""

    source: str
    lines: int
    digest: str


Numbered = tuple[str, int, Progress | None]
"""A line, its number from 1, and the progress when it has been read; None of what cannot be read again."""


def unread(lines: Iterable[str], source: str, kept: Progress | None) -> tuple[int, Iterator[Numbered]]:
    """(how many lines were read before, those that follow); 0 where the file does not begin with what was read."""
    rest, reading = iter(lines), hashlib.sha256()
    head = [] if kept is None else list(islice(rest, kept.lines))
    for line in head:
        reading.update(_content(line))
    if kept is None or reading.hexdigest() != kept.digest:
        return 0, _numbered(chain(head, rest), source, 0, hashlib.sha256())
    return kept.lines, _numbered(rest, source, kept.lines, reading)


def _numbered(lines: Iterable[str], source: str, done: int, reading: hashlib._Hash) -> Iterator[Numbered]:
    for number, line in enumerate(lines, done + 1):
        reading.update(_content(line))
        yield line, number, Progress(source, number, reading.hexdigest())


def _content(line: str) -> bytes:
    """However the line ended, it counts the same: the last one of a file may lack its end."""
    return (line.rstrip("\r\n") + "\n").encode(errors="replace")
