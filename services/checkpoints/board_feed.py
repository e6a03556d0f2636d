"""What keeps the board of an api process fresh: a thread that reads codes' topic, and goes to codes where it must.

Start: the snapshot of our own database, then codes' newer lists, then the topic from where it ended before codes was
asked. Without codes the topic is read from its first record; without the log codes is asked again and again. A list's
change r+1 is applied at r; a change beyond that, or a heartbeat that names a higher revision and is not caught up
within a moment, is a gap: the list is fetched again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Protocol

import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from chassis.clock import Clock
from chassis.event_log import EventLog, EventLogUnavailable, OffsetOutOfRange, Reader, Received, UnknownTopic
from chassis.telemetry import caused_span, is_recorded, meter
from services.checkpoints.board import Applied, Board, Heartbeat, StandingsChange
from services.checkpoints.codes_client import CodesUnavailable, StandingList
from services.checkpoints.fresh_holders import FreshHolders

log = structlog.get_logger("board")
tracer = trace.get_tracer("guanka.board")

_GRACE_S, _RETRY_S = 0.5, 0.5
_gaps = meter.create_counter("board_gaps", description="changes of a list that were missing, so it was fetched again")


class Standings(Protocol):
    """What the feed asks of codes (codes_client.py)."""

    def revisions(self) -> dict[int, int]: ...

    def standing_list(self, number: int, *, has_persons: bool) -> StandingList: ...


Snapshot = Callable[[], Iterable[tuple[int, int, bytes, Sequence[int]]]]
"""The lists of our own database: (list, revision, packed, entries whose passes are void)."""
Decode = Callable[[Received], StandingsChange | Heartbeat | None]


class BoardFeed:
    def __init__(
        self,
        board: Board,
        *,
        codes: Standings,
        event_log: EventLog,
        topic: str,
        snapshot: Snapshot,
        decode: Decode,
        clock: Clock,
        fresh: FreshHolders,
    ) -> None:
        self._board, self._codes, self._event_log, self._topic = board, codes, event_log, topic
        self._snapshot, self._decode, self._clock, self._fresh = snapshot, decode, clock, fresh
        self._reader: Reader | None = None
        self._awaited: tuple[Heartbeat, float] | None = None
        self._missing: set[int] = set()
        self._fetch_after = 0.0
        self._is_snapshot_read = False

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            pause_s = 0.0
            try:
                self.turn()
            except (CodesUnavailable, EventLogUnavailable, UnknownTopic, OffsetOutOfRange) as error:
                log.warning("the board waits", error=type(error).__name__)
                self._leave()
                if not isinstance(error, CodesUnavailable):
                    self._do_without_log()
                pause_s = 0.5
            stop.wait(pause_s)
        self._leave()

    def turn(self) -> None:
        """Read what is new and apply it; the first time, get everything."""
        if self._reader is None:
            self._reader = self._start()
        self._take_all(self._reader.poll(wait_s=0.2, records_max=1000))
        self._look_at_awaited()
        self._heal()

    def _start(self) -> Reader:
        if not self._is_snapshot_read:
            for number, revision, packed, void in self._snapshot():
                self._board.put(number, revision, packed, void)
            self._is_snapshot_read = True
        bounds = self._event_log.bounds(self._topic)
        try:
            self._fetch_newer()
            starts = {partition: end for partition, (_, end) in bounds.items()}
        except CodesUnavailable:
            if not self._board.revisions():
                raise
            log.warning("codes cannot be reached, the board starts from its snapshot and the log")
            starts = {partition: start for partition, (start, _) in bounds.items()}
        reader = self._event_log.reader("checkpoints-board")
        reader.seek({(self._topic, partition): offset for partition, offset in starts.items()})
        return reader

    def _do_without_log(self) -> None:
        """A gate need not go stale with the log: codes tells the same, each time that the log is found away."""
        try:
            self._fetch_newer()
        except CodesUnavailable as error:
            log.warning("the board waits", error=type(error).__name__)

    def _fetch_newer(self) -> None:
        asked_at_s = self._clock().timestamp()
        self._fetch(self._board.is_behind(self._codes.revisions()))
        self._board.mark_complete(asked_at_s)

    def _fetch(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            found = self._codes.standing_list(number, has_persons=False)
            self._board.put(found.list, found.revision, found.packed, found.void)

    def _take_all(self, records: Sequence[Received]) -> None:
        """Apply what codes told; where a recorded trace led to it, in a span, which is the end of that trace."""
        causes = [parent for record in records if is_recorded(parent := _traceparent(record))]
        with caused_span(tracer, "board takes standings", causes, SpanKind.CONSUMER) if causes else nullcontext():
            for record in records:
                self._take(self._decode(record))

    def _take(self, message: StandingsChange | Heartbeat | None) -> None:
        if isinstance(message, Heartbeat):
            if self._board.is_behind(message.revisions):
                self._awaited = self._awaited or (message, time.monotonic() + _GRACE_S)
            else:
                self._awaited = None
                self._board.mark_complete(message.at.timestamp())
        elif message is not None:
            self._fresh.put(message)
            if self._board.apply(message) is Applied.GAP:
                self._missing.add(message.list)

    def _look_at_awaited(self) -> None:
        """A heartbeat told of changes that had not come: they have now, or they are missing."""
        if self._awaited is None:
            return
        heartbeat, deadline = self._awaited
        behind = self._board.is_behind(heartbeat.revisions)
        if not behind:
            self._awaited = None
            self._board.mark_complete(heartbeat.at.timestamp())
        elif time.monotonic() > deadline:
            self._awaited = None
            self._missing.update(behind)

    def _heal(self) -> None:
        """Fetch the lists with a gap; while codes cannot be reached the board ages, and it is tried again."""
        if not self._missing or time.monotonic() < self._fetch_after:
            return
        log.info("a change was missing, the list is fetched again", lists=sorted(self._missing))
        self._fetch_after = time.monotonic() + _RETRY_S
        try:
            self._fetch(sorted(self._missing))
        except CodesUnavailable as error:
            log.warning("a list with a gap cannot be fetched", error=type(error).__name__)
            return
        _gaps.add(len(self._missing))
        self._missing.clear()
        self._fetch_after = 0.0

    def _leave(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _traceparent(record: Received) -> str:
    return (record.header("traceparent") or b"").decode("latin-1")
