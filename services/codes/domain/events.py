"""What codes tells the others; `messages.py` writes it in the words of proto/."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.codes.domain.colours import Colour
from services.codes.domain.verdicts import Reason

STANDINGS_ENTRIES_MAX = 1_000
"""Entries of one list in one event."""


@dataclass(frozen=True, slots=True)
class ColourChanged:
    """`previous` is None where no colour was told before."""

    person_ref: UUID
    revision: int
    colour: Colour
    previous: Colour | None
    since: datetime
    review_at: datetime | None
    reasons: tuple[Reason, ...]
    rule_set: str
    area: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StandingsChanged:
    """Columns in the same order, at most `STANDINGS_ENTRIES_MAX` rows; colours are standings' values, one byte each."""

    list: int
    revision: int
    idx: tuple[int, ...]
    colours: bytes
    person_refs: tuple[UUID, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class StandingsHeartbeat:
    """`lists` holds (list, revision)."""

    revision: int
    lists: tuple[tuple[int, int], ...]
    at: datetime


DomainEvent = ColourChanged | StandingsChanged | StandingsHeartbeat
