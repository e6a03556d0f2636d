"""Identifiers that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62


def uuid7(at: datetime | None = None) -> UUID:
    """A new identifier; `at` (aware) sets its time, in whole milliseconds, instead of now."""
    milliseconds = time.time_ns() // 1_000_000 if at is None else int(at.timestamp() * 1000)
    noise = int.from_bytes(os.urandom(10), "big")
    low = _VARIANT | (noise & (1 << 62) - 1)
    high = _VERSION_7 | ((noise >> 62) & 0xFFF) << 64
    return UUID(int=milliseconds << 80 | high | low)


def uuid7_time(identifier: UUID) -> datetime:
    """The time an identifier of version 7 carries, to the millisecond. Raises ValueError for another version."""
    if identifier.version != 7:
        raise ValueError("the identifier is not a UUID of version 7")
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


def uuid7_floor(at: datetime) -> UUID:
    """The smallest identifier a moment can have: the bound of a range by time."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | _VERSION_7 | _VARIANT)
