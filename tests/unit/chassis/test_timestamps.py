"""The times in events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from chassis.timestamps import moment_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.timedeltas(timedelta(-700_000), timedelta(2_900_000)), st.integers(0, 999))
def test_a_time_is_read_as_protobuf_itself_reads_it(since: timedelta, nanos: int) -> None:
    stamp = Timestamp()
    stamp.FromDatetime(EPOCH + since)
    stamp.nanos += nanos
    assert moment_of(stamp) == stamp.ToDatetime(UTC) == EPOCH + since
