"""The times in events: `google.protobuf.Timestamp`, exact to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp_of(moment: datetime) -> Timestamp:
    """What `FromDatetime` writes, in a third of its time. Raises TypeError on a moment without a zone."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def moment_of(stamp: Timestamp) -> datetime:
    """What `stamp.ToDatetime(UTC)` gives, in a tenth of its time: readers of scans ask thousands of times a second."""
    return datetime.fromtimestamp(stamp.seconds, UTC).replace(microsecond=stamp.nanos // 1000)
