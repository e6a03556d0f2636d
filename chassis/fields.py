"""What a field of a body or a query may hold: the types that all services read alike."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from chassis.date_times import read_date_time
from chassis.texts import read_line, read_name, read_note


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else read_date_time(value)


DateTime = Annotated[AwareDatetime, BeforeValidator(_moment)]
"""A moment as `read_date_time` reads it. A `datetime` passes: JSON and queries have none, but Python and YAML do."""


_TIME_OF_DAY = re.compile("(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?")


def _time_of_day(value: object) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not _TIME_OF_DAY.fullmatch(value):
        raise ValueError("write a time of the city's day without an offset, such as 08:30")
    return time.fromisoformat(value)


TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]


Line = Annotated[str, AfterValidator(read_line)]
"""One line that somebody reads; bound its length beside it."""
Note = Annotated[str, AfterValidator(read_note)]
PersonName = Annotated[str, AfterValidator(read_name)]
