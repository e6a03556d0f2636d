"""The event log: an ordered, keyed, replayable record of what happened, behind one Protocol with two adapters.

`local.py` keeps it in a PostgreSQL database (the embedded default), `kafka.py` in Apache Kafka (production). Both are
held by tests/contract/event_log. Delivery is at least once: a publication that was not acknowledged may or may not be
written, and consumers drop repeats by `ce_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as a service declares it; `retention_s` None keeps records for ever."""

    name: str
    partitions: int
    retention_s: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """A record to be published; records of one `key` keep their order within a topic."""

    topic: str
    key: str
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Received:
    """A record as read; `offset` rises within (topic, partition), with gaps; `appended_at_ms` is Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Headers
    appended_at_ms: int

    def header(self, name: str) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


Place = tuple[str, int]
"""(topic, partition)."""


class UnknownTopic(Exception):
    """The event log has no such topic; it is declared by the service that writes it, at its start."""


class OffsetOutOfRange(Exception):
    """The log no longer holds the offset that is asked for: it was cut behind the reader."""

    def __init__(self, place: Place, offset: int, start: int) -> None:
        super().__init__(f"{place[0]}[{place[1]}] starts at {start}, offset {offset} is gone")
        self.place, self.offset, self.start = place, offset, start


class EventLogUnavailable(Exception):
    """The event log cannot be reached now; the caller keeps what it has and tries again."""


class Publisher(Protocol):
    """Writes records. One thread uses it."""

    def publish(self, records: Sequence[Record]) -> list[bool]:
        """Write the records and wait; answers, per record, whether it was acknowledged.

        False means unknown, not unwritten. Never waits longer than the adapter's stated limit, and nothing of the call
        is still under way when it returns, so that the caller may send again without overtaking itself. An unknown
        topic is refused with `UnknownTopic` before anything is sent.
        """

    def close(self) -> None: ...


class Reader(Protocol):
    """Reads records of given places from given offsets. One thread uses it; it stores no position of its own."""

    def seek(self, positions: Mapping[Place, int]) -> None:
        """Read exactly these places, each next from its offset."""

    def poll(self, *, wait_s: float, records_max: int) -> list[Received]:
        """The next records, in order within each place; empty after `wait_s` seconds without any.

        Raises `OffsetOutOfRange` when a position lies before the log's start, `EventLogUnavailable` when out of reach.
        """

    def report(self, positions: Mapping[Place, int]) -> None:
        """Tell the log how far this reader's group has got (for lag dashboards); best effort, never raises."""

    def close(self) -> None: ...


class EventLog(Protocol):
    def declare(self, topics: Sequence[Topic]) -> None:
        """Create what is missing, and set the retention; existing partitions are left as they are."""

    def publisher(self) -> Publisher: ...

    def reader(self, group: str) -> Reader: ...

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """Per partition (first offset that is kept, next offset to be written). Raises `UnknownTopic`."""

    def cut(self, place: Place, before: int) -> None:
        """Destroy what lies before an offset (retention by hand, and the tests of a log cut behind a reader)."""

    def trim(self) -> int:
        """Destroy what retention says is over; how many records (0 where the log does that by itself)."""

    def close(self) -> None: ...
