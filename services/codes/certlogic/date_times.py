"""Date-times as CertLogic knows them: milliseconds in UTC, with the calendar overflow of ECMAScript's setUTC… methods.

Not `datetime`, because a rule may lead outside the years 1 to 9999 and because ECMAScript's range ends elsewhere. The
calendar repeats every 400 years, so `datetime.date` still does the counting, within one such cycle.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097
_CYCLE_START: Final = date(2000, 1, 1).toordinal()
_DAYS_1970_TO_2000: Final = _CYCLE_START - date(1970, 1, 1).toordinal()
# ECMAScript's TimeClip: 100,000,000 days on either side of 1970.
_RANGE_MS: Final = 100_000_000 * _DAY_MS

TIME_UNITS: Final = ("year", "month", "day", "hour")

_DATE_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:T([01]\d|2[0-4]):([0-5]\d):([0-5]\d)(?:\.(\d{1,3})\d*)?"
    r"(?:Z|([+-])(\d|[01]\d|2[0-3])(?::?([0-5]\d))?)?)?",
    re.ASCII,
)
_PARTIAL_DATE: Final = re.compile(r"(\d{4})(?:-(\d\d))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class DateTime:
    """A moment, in milliseconds since 1970-01-01T00:00:00Z."""

    milliseconds: int


def parse_date_time(text: str) -> DateTime:
    """Reads any format `plusTime` allows. Raises ValueError, whose text names the formats and not what was read."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return _parse_partial_date(text)
    year, month, day, hour, minute, second, fraction, sign, offset_hour, offset_minute = match.groups()
    moment = _days_since_1970(int(year), int(month), int(day)) * _DAY_MS
    if hour is not None:
        moment += (int(hour) * 60 + int(minute)) * _MINUTE_MS + int(second) * 1_000
    if hour == "24" and (int(minute), int(second), int(fraction or 0)) != (0, 0, 0):
        raise ValueError("a date-time names a moment that is in the calendar: after 24:00:00 the day is over")
    if fraction is not None:
        moment += int(fraction.ljust(3, "0"))
    if sign is not None:
        offset = (int(offset_hour) * 60 + int(offset_minute or 0)) * _MINUTE_MS
        moment -= offset if sign == "+" else -offset
    return DateTime(moment)


def parse_date_of_birth(text: str) -> DateTime:
    """Reads YYYY, YYYY-MM or YYYY-MM-DD as the last day it can mean. Raises ValueError for anything else."""
    if len(text) > len("YYYY-MM-DD"):
        raise ValueError("a date of birth is written YYYY, YYYY-MM or YYYY-MM-DD")
    return parse_date_time(text)


def _parse_partial_date(text: str) -> DateTime:
    match = _PARTIAL_DATE.fullmatch(text)
    if match is None:
        raise ValueError(
            "a date-time is written YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss, the last one with decimals and "
            "with Z, ±h, ±hh, ±hmm, ±hhmm, ±h:mm or ±hh:mm if wanted"
        )
    year, month = int(match[1]), int(match[2] or 12)
    _days_since_1970(year, month, 1)  # a month 13 is refused here, before the step to the month after it hides it
    return DateTime((_days_to_month(year, month + 1) - 1) * _DAY_MS)


def shift(moment: DateTime, amount: int, unit: str) -> DateTime:
    """Adds `amount` of one of TIME_UNITS. A day that the month lacks runs over into the next: 01-31 + 1 month = 03-03.

    Raises ValueError if the result lies outside ECMAScript's range.
    """
    if unit == "hour":
        shifted = moment.milliseconds + amount * _HOUR_MS
    elif unit == "day":
        shifted = moment.milliseconds + amount * _DAY_MS
    else:
        shifted = _shift_months(moment.milliseconds, amount * 12 if unit == "year" else amount)
    if abs(shifted) > _RANGE_MS:
        raise ValueError("a date-time lies within 100,000,000 days of 1970-01-01")
    return DateTime(shifted)


def _shift_months(milliseconds: int, months: int) -> int:
    days, time_of_day = divmod(milliseconds, _DAY_MS)
    year, month, day = _calendar_day(days)
    return (_days_to_month(year, month + months) + day - 1) * _DAY_MS + time_of_day


def render_date_time(moment: DateTime) -> str:
    """YYYY-MM-DDThh:mm:ss.mmmZ; years beyond four digits get a sign and six of them, as in ECMAScript."""
    days, time_of_day = divmod(moment.milliseconds, _DAY_MS)
    year, month, day = _calendar_day(days)
    year_text = f"{year:04}" if 0 <= year <= 9_999 else f"{year:+07}"
    seconds, millisecond = divmod(time_of_day, 1_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{year_text}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"


def _days_since_1970(year: int, month: int, day: int) -> int:
    cycle, year_of_cycle = divmod(year - 2000, _CYCLE_YEARS)
    try:
        ordinal = date(2000 + year_of_cycle, month, day).toordinal()
    except ValueError:
        raise ValueError("a date-time names a day that is in the calendar") from None
    return ordinal - _CYCLE_START + cycle * _CYCLE_DAYS + _DAYS_1970_TO_2000


def _days_to_month(year: int, month: int) -> int:
    """Days from 1970 to the first of a month that may be any number: 13 is the next year's January, 0 December."""
    years, month_of_year = divmod(month - 1, 12)
    return _days_since_1970(year + years, month_of_year + 1, 1)


def _calendar_day(days: int) -> tuple[int, int, int]:
    cycle, day_of_cycle = divmod(days - _DAYS_1970_TO_2000, _CYCLE_DAYS)
    day = date.fromordinal(_CYCLE_START + day_of_cycle)
    return day.year + cycle * _CYCLE_YEARS, day.month, day.day
