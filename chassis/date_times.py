"""The one reading of a moment that a caller writes: a date-time of RFC 3339, with its offset.

Python and Pydantic read much more than the standard has (numbers, dates by week, times without seconds), and what one
service took for a moment another one refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

FIRST_YEAR, LAST_YEAR = 2000, 2099
WANTED = "write a date-time of RFC 3339 with its offset, such as 2022-11-28T08:00:00+08:00"

_DATE_TIME = re.compile(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?"
    "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_CHARACTERS_MAX = 64


def read_date_time(written: object) -> datetime:
    """The moment in UTC, cut to the microsecond. Raises ValueError.

    Seconds and offset are needed. `t` and `z` may be small (RFC 3339, section 5.6). `24:00` is no time of that
    grammar. A leap second (`:60`) is refused: no clock of this product can keep it, and none is planned.
    """
    if not isinstance(written, str) or len(written) > _CHARACTERS_MAX or not _DATE_TIME.fullmatch(written):
        raise ValueError(WANTED)
    try:
        moment = datetime.fromisoformat(written.upper())
    except ValueError:
        raise ValueError(f"{WANTED}; there is no such day") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"a time lies in the years {FIRST_YEAR} to {LAST_YEAR}")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
