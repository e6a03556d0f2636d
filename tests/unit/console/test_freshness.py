"""Until when the read model knows everything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from chassis.event_log import Place, Received
from services.console.freshness import Freshness, WatchedLog

START = datetime(2020, 3, 2, tzinfo=UTC)


class Ticking:
    """A clock that goes on one second each time it is asked."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class LogOf:
    """An event log whose reader returns the given batches, one a poll."""

    def __init__(self, *batches: list[Received]) -> None:
        self._batches = list(batches)

    def reader(self, group: str) -> LogOf:
        return self

    def seek(self, positions: Mapping[Place, int]) -> None: ...

    def poll(self, *, wait_s: float, records_max: int) -> list[Received]:
        return self._batches.pop(0)

    def close(self) -> None: ...


def received(appended_at: datetime) -> Received:
    return Received("codes.events.v1", 0, 0, "", b"", (), int(appended_at.timestamp() * 1000))


def known_after(*batches: list[Received]) -> datetime | None:
    freshness = Freshness(Ticking())
    reader = WatchedLog(LogOf(*batches), freshness).reader("console")  # type: ignore[arg-type]
    for _ in batches:
        reader.poll(wait_s=0, records_max=2)
    return freshness.known_until


def test_nothing_is_known_before_the_first_read() -> None:
    assert known_after() is None


def test_an_empty_log_is_known_up_to_the_read() -> None:
    assert known_after([]) == START + timedelta(seconds=1)


def test_a_record_in_hand_is_not_known_until_the_next_read_begins() -> None:
    record = received(START)
    assert known_after([record]) is None
    assert known_after([record], [record]) == START + timedelta(seconds=1)


def test_behind_a_full_read_more_waits_and_its_oldest_record_tells_how_far_one_is() -> None:
    old = received(START - timedelta(minutes=5))
    assert known_after([old, received(START)], [old]) == START - timedelta(minutes=5)


def test_the_known_moment_never_goes_back() -> None:
    old = received(START - timedelta(minutes=5))
    assert known_after([], [old, old], [old]) == START + timedelta(seconds=1)


def test_what_is_written_while_the_log_answers_is_not_known() -> None:
    """A read finds nothing, a record is written, and only then the reader's thread goes on."""
    freshness = Freshness(Ticking())
    log = LogOf([], [])
    answer = log.poll

    def answered_late(*, wait_s: float, records_max: int) -> list[Received]:
        found = answer(wait_s=wait_s, records_max=records_max)
        written.append(freshness.clock())
        return found

    written: list[datetime] = []
    log.poll = answered_late  # type: ignore[method-assign]
    reader = WatchedLog(log, freshness).reader("console")  # type: ignore[arg-type]
    reader.poll(wait_s=0, records_max=2)
    assert freshness.known_until is not None
    assert freshness.known_until < written[0]
