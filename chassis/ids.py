"""Identifiers that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62


def uuid7(at: datetime | None = None) -> UUID:
    """A new identifier; `at` (aware) sets its time, in whole milliseconds, instead of now."""
    milliseconds = time.time_ns() // 1_000_000 if at is None else _milliseconds(at)
    noise = int.from_bytes(os.urandom(10), "big")
    low = _VARIANT | (noise & (1 << 62) - 1)
    high = _VERSION_7 | ((noise >> 62) & 0xFFF) << 64
    return UUID(int=milliseconds << 80 | high | low)


def uuid7_time(identifier: UUID) -> datetime:
    """The time an identifier of version 7 carries, to the millisecond. Raises ValueError for another version.

    Also for a time after the year 9999, which such an identifier can carry and Python cannot.
    """
    if identifier.version != 7:
        raise ValueError("the identifier is not a UUID of version 7")
    try:
        return _EPOCH + (identifier.int >> 80) * _MILLISECOND
    except OverflowError:
        raise ValueError("the identifier lies beyond all times") from None


def uuid7_floor(at: datetime) -> UUID:
    """The smallest identifier a moment can have: the bound of a range by time."""
    return UUID(int=_milliseconds(at) << 80 | _VERSION_7 | _VARIANT)


def _milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970, in integers: a floating-point number of seconds loses one now and then."""
    return (at - _EPOCH) // _MILLISECOND
