"""The gate's time: its own clock, put right by what the server tells, and never before what the server has told.

A gate's clock may be off by hours. The server tells its time with every bundle and every answer to a scan. From both
the gate learns how far its clock is off, and dates its scans by the server's time from then on. The time of the newest
bundle is kept on disk: a gate that is switched on again without a network, with a clock that has fallen behind, goes on
from there.

An impostor of the server could set a gate's time back, so that what is over seems to hold still. So how long
something holds is judged by the later of both clocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from guanka.gate.showing import Show
from guanka.gate.waiting import GateMemory

SAID_FROM = timedelta(seconds=30)
"""A clock that is off by more is told to the guard; by less it is put right without a word."""


def local_now() -> datetime:
    return datetime.now(UTC)


class GateClock:
    def __init__(
        self,
        memory: GateMemory,
        show: Show,
        *,
        local: Callable[[], datetime] = local_now,
        running_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory, self._show, self._local, self._running_s = memory, show, local, running_s
        self._ahead = timedelta()
        self._is_off = False
        self._floor = memory.told_time(), running_s()

    def now(self) -> datetime:
        """By the server's time as far as it is known."""
        floor, since_s = self._floor
        corrected = self._local() - self._ahead
        return corrected if floor is None else max(corrected, floor + timedelta(seconds=self._running_s() - since_s))

    def latest(self) -> datetime:
        """By which it is judged whether something is over."""
        return max(self._local(), self.now())

    def asks(self) -> datetime:
        """The local time before the server is asked, for `answered`."""
        return self._local()

    def answered(self, asked_at: datetime, told_at: datetime) -> None:
        """An answer to a question that was asked at a local time says what time it was at the server."""
        between = asked_at + (self._local() - asked_at) / 2
        self._ahead = between - told_at
        is_off = abs(self._ahead) > SAID_FROM
        if is_off != self._is_off:
            self._is_off = is_off
            self._say()

    def believe(self, told_at: datetime) -> None:
        """From now on it is never earlier: a signed bundle says so."""
        floor, _ = self._floor
        if floor is None or told_at > floor:
            self._floor = told_at, self._running_s()
            self._memory.keep_told_time(told_at)

    def _say(self) -> None:
        if not self._is_off:
            return self._show.remark("the clock of this gate is right again", style="green")
        way = "fast" if self._ahead > timedelta() else "slow"
        seconds = int(abs(self._ahead).total_seconds())
        return self._show.remark(
            f"闸机时钟不准，请校准。 the clock of this gate is {seconds} s {way}: set it; "
            "scans are dated by the server's time meanwhile",
            style="red",
        )
