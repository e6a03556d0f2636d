"""Names and phones as they were written down: what stands is changed by a correction only, and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

FIELDS = ("name", "phone")


class NamingKind(StrEnum):
    """`first` stood for a time, `other` was written down beside what stood, `correction` replaced it."""

    FIRST = "first"
    OTHER = "other"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class Naming:
    """What somebody wrote down of a person in an area; None what they did not write."""

    kind: NamingKind
    area: str
    name: str | None
    phone: str | None
    named_by: str
    named_at: datetime
    reason: str | None = None


def kind_of(given: Mapping[str, str], standing: Mapping[str, str]) -> NamingKind | None:
    """What writing `given` down is, beside what stands; None where it says nothing new."""
    fresh = {field for field in given if field not in standing}
    other = {field for field, value in given.items() if field in standing and standing[field] != value}
    if other:
        return NamingKind.OTHER
    return NamingKind.FIRST if fresh else None


def added(given: Mapping[str, str], standing: Mapping[str, str]) -> dict[str, str]:
    """What is to stand from now on: the fields where nothing stood. What stands is never replaced here."""
    return {field: value for field, value in given.items() if field not in standing}
