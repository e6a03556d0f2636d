"""Date-times against an independent model of ECMAScript's setUTC… methods, and the formats one by one."""

import calendar
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.codes.certlogic.date_times import (
    TIME_UNITS,
    DateTime,
    parse_date_of_birth,
    parse_date_time,
    render_date_time,
    shift,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

moments = st.integers(-5_300_000_000_000, 10_400_000_000_000).map(lambda count: EPOCH + timedelta(milliseconds=count))


def read(text: str) -> str:
    return render_date_time(parse_date_time(text))


def shifted(text: str, amount: int, unit: str) -> str:
    return render_date_time(shift(parse_date_time(text), amount, unit))


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def shift_by_counting(moment: datetime, amount: int, unit: str) -> datetime:
    """The model: step to the first of the month, then walk the days that are left."""
    if unit in ("hour", "day"):
        return moment + amount * timedelta(**{f"{unit}s": 1})
    months = moment.year * 12 + moment.month - 1 + (amount * 12 if unit == "year" else amount)
    first = moment.replace(year=months // 12, month=months % 12 + 1, day=1)
    return first + timedelta(days=moment.day - 1)


@given(moments, st.integers(-2000, 2000), st.sampled_from(TIME_UNITS))
def test_a_shift_overflows_as_ecmascript_does(moment: datetime, amount: int, unit: str) -> None:
    amount = amount // 10 if unit == "year" else amount
    assert shifted(written(moment), amount, unit) == written(shift_by_counting(moment, amount, unit))


@given(moments)
def test_what_is_rendered_reads_back_as_the_same_moment(moment: datetime) -> None:
    parsed = parse_date_time(written(moment))
    assert parsed == DateTime((moment - EPOCH) // timedelta(milliseconds=1))
    assert parse_date_time(render_date_time(parsed)) == parsed


@given(moments, moments)
def test_date_times_are_ordered_as_the_moments_are(one: datetime, other: datetime) -> None:
    assert (parse_date_time(written(one)) < parse_date_time(written(other))) == (one < other)


@given(moments, st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_an_offset_names_the_same_moment_from_elsewhere(moment: datetime, offset_minutes: int) -> None:
    local = moment.astimezone(timezone(timedelta(minutes=offset_minutes)))
    assert read(local.isoformat(timespec="milliseconds")) == written(moment)


@pytest.mark.parametrize(
    ("start", "amount", "unit", "end"),
    [
        ("2020-02-29", 1, "day", "2020-03-01T00:00:00.000Z"),
        ("2020-02-29", 1, "month", "2020-03-29T00:00:00.000Z"),
        ("2020-02-29", 1, "year", "2021-03-01T00:00:00.000Z"),
        ("2020-02-29", 4, "year", "2024-02-29T00:00:00.000Z"),
        ("2021-01-31", 1, "month", "2021-03-03T00:00:00.000Z"),
        ("2020-01-31", 1, "month", "2020-03-02T00:00:00.000Z"),
        ("2021-03-31", -1, "month", "2021-03-03T00:00:00.000Z"),
        ("2021-01-15", -1, "month", "2020-12-15T00:00:00.000Z"),
        ("2021-03-28T00:30:00+01:00", 24, "hour", "2021-03-28T23:30:00.000Z"),
        ("1970-01-01", -1, "hour", "1969-12-31T23:00:00.000Z"),
        ("9999-12-31", 1, "day", "+010000-01-01T00:00:00.000Z"),
        ("0000-01-01", -1, "day", "-000001-12-31T00:00:00.000Z"),
        ("2020-02", 1, "month", "2020-03-29T00:00:00.000Z"),
    ],
)
def test_a_shift_runs_over_into_the_next_month_and_knows_no_daylight_saving(
    start: str, amount: int, unit: str, end: str
) -> None:
    assert shifted(start, amount, unit) == end


@pytest.mark.parametrize(
    ("suffix", "moment"),
    [
        ("", "2021-06-15T12:30:45.000Z"),
        ("Z", "2021-06-15T12:30:45.000Z"),
        ("+1", "2021-06-15T11:30:45.000Z"),
        ("-01", "2021-06-15T13:30:45.000Z"),
        ("+130", "2021-06-15T11:00:45.000Z"),
        ("-0130", "2021-06-15T14:00:45.000Z"),
        ("+1:30", "2021-06-15T11:00:45.000Z"),
        ("-11:30", "2021-06-16T00:00:45.000Z"),
        (".1", "2021-06-15T12:30:45.100Z"),
        (".12", "2021-06-15T12:30:45.120Z"),
        (".999999999Z", "2021-06-15T12:30:45.999Z"),
        (".0009+0200", "2021-06-15T10:30:45.000Z"),
        (".5-1:00", "2021-06-15T13:30:45.500Z"),
    ],
)
def test_every_offset_and_any_number_of_decimals_is_read(suffix: str, moment: str) -> None:
    assert read("2021-06-15T12:30:45" + suffix) == moment


def test_the_end_of_a_day_is_the_beginning_of_the_next_as_in_ecmascript() -> None:
    assert read("2021-06-15T24:00:00Z") == "2021-06-16T00:00:00.000Z"
    assert read("2021-12-31T24:00:00.0+02:00") == "2021-12-31T22:00:00.000Z"


def test_decimals_are_cut_downwards_also_before_1970() -> None:
    assert parse_date_time("1969-12-31T23:59:59.9999Z") == DateTime(-1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2021-6-15",
        "2021-09-99",
        "2021-02-29",
        "2021-13",
        "2021-00",
        "2021-13-01",
        "20210615",
        "2021-06-15 12:30:45",
        "2021-06-15T12:30",
        "2021-06-15T12:30Z",
        "2021-06-15Z",
        "2021-06-15T12:30:45.Z",
        "2021-06-15T12:30:45,5Z",
        "2021-06-15T12:30:45z",
        "2021-06-15T24:00:01Z",
        "2021-06-15T24:01:00Z",
        "2021-06-15T24:00:00.001Z",
        "2021-06-15T25:00:00Z",
        "2021-02-30T24:00:00Z",
        "2021-06-15T12:60:00Z",
        "2021-06-15T12:30:60Z",
        "2021-06-15T12:30:45+24",
        "2021-06-15T12:30:45+1:60",
        "2021-06-15T12:30:45+1:3",
        "2021-06-15T12:30:45+",
        "2021-06-15\n",
        "2021\n",
        " 2021-06-15",
        "-2021-06-15",
        "٢٠٢١-٠٦-١٥",
        "XXXX-XX-15",
    ],
)
def test_a_text_in_no_allowed_format_or_outside_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a date-time"):
        parse_date_time(text)


@given(st.text(alphabet="0123456789-+:.TZ", max_size=30))
def test_whatever_the_text_it_is_read_or_refused_by_name(text: str) -> None:
    refusal = ""
    try:
        parse_date_time(text)
    except ValueError as error:
        refusal = str(error)
    assert refusal == "" or refusal.startswith("a date-time")


@given(st.integers(0, 9999), st.integers(1, 12))
def test_a_partial_date_is_its_last_day(year: int, month: int) -> None:
    last_day = 29 if month == 2 and calendar.isleap(year) else calendar.mdays[month]
    assert read(f"{year:04}") == f"{year:04}-12-31T00:00:00.000Z"
    assert read(f"{year:04}-{month:02}") == f"{year:04}-{month:02}-{last_day}T00:00:00.000Z"


@pytest.mark.parametrize("text", ["1999", "2000-02", "2000-02-29"])
def test_a_date_of_birth_reads_as_the_same_date_anywhere(text: str) -> None:
    assert parse_date_of_birth(text) == parse_date_time(text)


@pytest.mark.parametrize("text", ["2000-02-29T00:00:00", "2000-02-29T00:00:00Z", "", "29.02.2000", "1999-02-29"])
def test_a_date_of_birth_has_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError, match="a date"):
        parse_date_of_birth(text)


def test_a_shift_out_of_ecmascripts_range_is_refused_at_its_last_millisecond() -> None:
    last = shift(DateTime(0), 100_000_000, "day")
    assert render_date_time(last) == "+275760-09-13T00:00:00.000Z"
    for amount, unit in ((1, "hour"), (1, "day"), (1, "month"), (1, "year"), (2**53 - 1, "year")):
        with pytest.raises(ValueError, match="100,000,000 days"):
            shift(last, amount, unit)
