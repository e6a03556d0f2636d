"""The times in events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from chassis.timestamps import moment_of, stamp_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.sampled_from([UTC, ZoneInfo("Asia/Shanghai")])
MOMENTS = st.timedeltas(timedelta(-700_000), timedelta(2_900_000)).map(lambda since: EPOCH + since)


@given(MOMENTS, st.integers(0, 999))
def test_a_time_is_read_as_protobuf_itself_reads_it(moment: datetime, nanos: int) -> None:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    stamp.nanos += nanos
    assert moment_of(stamp) == stamp.ToDatetime(UTC) == moment


@given(MOMENTS, ZONES)
def test_a_time_is_written_as_protobuf_itself_writes_it(moment: datetime, zone: ZoneInfo) -> None:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    assert stamp_of(moment.astimezone(zone)) == stamp


def test_a_time_without_a_zone_is_not_written() -> None:
    with pytest.raises(TypeError):
        stamp_of(EPOCH.replace(tzinfo=None))
