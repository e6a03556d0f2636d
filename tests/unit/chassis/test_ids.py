"""Identifiers that sort by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.ids import uuid7, uuid7_floor, uuid7_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=365 * 8000)).map(lambda since: EPOCH + since)


@given(MOMENTS)
def test_an_identifier_is_version_7_and_gives_its_time_back_to_the_millisecond(at: datetime) -> None:
    identifier = uuid7(at)
    assert (identifier.version, identifier.variant) == (7, "specified in RFC 4122")
    assert uuid7_time(identifier) == at.replace(microsecond=at.microsecond // 1000 * 1000)


@given(MOMENTS)
def test_the_floor_lies_below_every_identifier_of_its_millisecond_and_above_those_before(at: datetime) -> None:
    floor = uuid7_floor(at)
    assert floor <= uuid7(at)
    assert (floor.version, floor.variant) == (7, "specified in RFC 4122")
    if at > EPOCH + timedelta(seconds=1):
        assert uuid7(at - timedelta(milliseconds=1)) < floor


@given(MOMENTS, MOMENTS)
def test_identifiers_sort_by_their_time(one: datetime, other: datetime) -> None:
    if one + timedelta(milliseconds=1) <= other:
        assert uuid7(one) < uuid7(other)


def test_an_offset_makes_no_difference() -> None:
    at = datetime(2022, 6, 28, 8, 0, 0, 123_000, tzinfo=timezone(timedelta(hours=8)))
    assert uuid7_floor(at) == uuid7_floor(at.astimezone(UTC))


def test_identifiers_of_one_millisecond_differ() -> None:
    at = datetime(2022, 6, 28, tzinfo=UTC)
    assert len({uuid7(at) for _ in range(10_000)}) == 10_000


def test_without_a_time_an_identifier_is_of_now() -> None:
    before = datetime.now(UTC)
    assert before - timedelta(milliseconds=1) <= uuid7_time(uuid7()) <= datetime.now(UTC)


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(TypeError):
        uuid7(EPOCH.replace(tzinfo=None))


@pytest.mark.parametrize(
    "identifier", [uuid4(), UUID(int=0), UUID(int=(1 << 128) - 1), UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")]
)
def test_what_carries_no_time_that_can_be_read_is_refused(identifier: UUID) -> None:
    with pytest.raises(ValueError, match="the identifier"):
        uuid7_time(identifier)
