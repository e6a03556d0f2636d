"""A person as the rest of codes sees one: a reference, an area, an entry of a status list, the colour last told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.codes.domain.colours import Colour
from services.codes.domain.rules import Text
from services.codes.domain.verdicts import Reason


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a status list: the person's public handle."""

    list: int
    idx: int


@dataclass(frozen=True, slots=True)
class Person:
    """`entry` is None for a person who is known by evidence only; `revision` 0 means that no colour was told yet.

    `is_void`: the person's death is recorded; no pass of theirs holds.
    """

    person_ref: UUID
    area: str
    entry: Entry | None
    colour: Colour
    revision: int
    since: datetime | None
    review_at: datetime | None
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """What is kept sealed beside the document."""

    name: str
    phone: str | None
    birth_date: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Code:
    """What a person reads on the page: the colour, why, and what comes next."""

    colour: Colour
    reasons: tuple[Reason, ...]
    since: datetime
    review_at: datetime | None
    lifts_when: Text | None
