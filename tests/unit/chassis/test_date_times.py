"""A moment is read one way: RFC 3339 with its offset, and nothing that merely looks like a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chassis.date_times import read_date_time
from chassis.fields import DateTime

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-28T12:00:00Z",
        "2026-11-28t12:00:00z",
        "2026-11-28T20:00:00+08:00",
        "2026-11-28T12:00:00-00:00",
        "2026-11-28T12:00:00.0Z",
        "2026-11-28T12:00:00.000000999Z",
        "2026-11-28T06:30:00.000-05:30",
        "2026-11-29T11:59:00+23:59",
    ],
)
def test_the_same_moment_however_it_is_written(written: str) -> None:
    assert read_date_time(written) == NOON
    assert read_date_time(written).tzinfo is UTC


NO_TIMES = [
    1795939000,
    1795939000.5,
    True,
    None,
    "",
    "1795939000",
    "1795939000.5",
    "2026-W48-6T08:00:00+08:00",
    "2026-W48-6",
    "2026-332T08:00:00Z",
    "20261128T080000+0800",
    "20261128T080000Z",
    "2026-11-28",
    "2026-11-28T08:00:00",
    "2026-11-28T08:00Z",
    "2026-11-28T08Z",
    "2026-11-28T08:00:00+0800",
    "2026-11-28T08:00:00+08",
    "2026-11-28T08:00:00+8:00",
    "2026-11-28T08:00:00 +08:00",
    "2026-11-28T08:00:00+24:00",
    "2026-11-28T08:00:00+08:60",
    "2026-11-28T08:00:00+08:00:00",
    "2026-11-28T08:00:00UTC",
    "2026-11-28T08:00:00[Asia/Shanghai]",
    "2026-11-28 08:00:00+08:00",
    "2026-11-28_08:00:00+08:00",
    "2026-11-28T08:00:00.Z",
    "2026-11-28T08:00:00,5Z",
    "2026-11-28T24:00:00Z",
    "2026-11-28T25:00:00Z",
    "2026-12-31T23:59:60Z",
    "2026-11-28T08:60:00Z",
    "2026-11-31T08:00:00Z",
    "2026-02-29T08:00:00Z",
    "2026-13-01T08:00:00Z",
    "2026-00-01T08:00:00Z",
    "26-11-28T08:00:00Z",
    "+2026-11-28T08:00:00Z",
    "-2026-11-28T08:00:00Z",
    "1999-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "２０２６-11-28T08:00:00Z",
    "2026-11-28T0٨:00:00Z",
    " 2026-11-28T08:00:00Z",
    "2026-11-28T08:00:00Z\n",
    "2026-11-28T08:00:00Z\u200b",
    "2026−11−28T08:00:00Z",
    "2026-11-28T08:00:00." + "0" * 100 + "Z",
    "Sat, 28 Nov 2026 08:00:00 GMT",
]


@pytest.mark.parametrize("written", NO_TIMES)
def test_what_is_no_time_of_the_standard_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|years"):
        read_date_time(written)
    with pytest.raises(ValidationError):
        TypeAdapter(DateTime).validate_python(written)


@given(
    st.datetimes(
        min_value=datetime(2000, 1, 2),  # noqa: DTZ001
        max_value=datetime(2099, 12, 30),  # noqa: DTZ001
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_what_python_writes_is_read_as_what_it_was(moment: datetime) -> None:
    assert read_date_time(moment.isoformat()) == moment
    assert TypeAdapter(DateTime).validate_json(f'"{moment.isoformat()}"') == moment


def test_the_schema_says_what_it_is() -> None:
    assert TypeAdapter(DateTime).json_schema() == {"type": "string", "format": "date-time"}
