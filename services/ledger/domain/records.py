"""What the journal keeps: one record for each thing that the ledger did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Record:
    """`kind` in the past tense, `by` whoever did it, `told` what it was (text, numbers, times, identifiers)."""

    kind: str
    at: datetime
    by: str
    told: Mapping[str, Any]
    entry_id: UUID | None = None
    person_ref: UUID | None = None
