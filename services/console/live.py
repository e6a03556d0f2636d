"""The live stream: one picture a second, taken once and handed to every screen, so that a hundred cost as much as one.

A screen without a token sees the city's totals. A bearer's screen sees the alarms of their subtree besides.
The public can fill its own room only: bearers of an area always find theirs.

A screen that does not keep up is dropped and comes back by itself (`retry`). When the process is told to end, every
stream ends at once: a server that waited for screens to leave would never stop.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson
import structlog
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from chassis.clock import Clock
from chassis.database import is_passing
from services.console.domain.figures import NO_ALARMS, AreaAlarms, Figures, Reach, Snapshot, reached
from services.console.domain.processes import Process
from services.console.domain.sources import Source

log = structlog.get_logger("live")

PERIOD_S = 1.0
PICTURES_WAITING_MAX = 5
SEND_S_MAX = 5.0
_OPENING = b"retry: 2000\n\n"
_HEARTBEAT = b": still here\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class ScreenLimits:
    """How many streams one process serves: of bearers of an area, of the public, and of any one caller."""

    officials_max: int
    public_max: int
    per_caller_max: int


Caller = tuple[str, str]
"""(kind, name): the address of a screen without a token, the subject of one with a token."""


class Screen:
    """One reader of the stream; it ends when it is dropped, its token expires or the process ends.

    `reach` is None without a token; `ends_at` in Unix seconds; `caller` is None where callers are not counted.
    """

    def __init__(self, reach: Reach | None = None, *, ends_at: float = math.inf, caller: Caller | None = None) -> None:
        self.reach, self.ends_at, self.caller = reach, ends_at, caller
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(PICTURES_WAITING_MAX)

    @property
    def is_public(self) -> bool:
        """A citizen's token has no area, so its screen shows what everybody sees."""
        return self.reach is None or not self.reach.area

    def offer(self, chunk: bytes) -> bool:
        """Whether there was room for it."""
        try:
            self._waiting.put_nowait(chunk)
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        """Nothing that waits is worth sending any more."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield _OPENING
        while (chunk := await self._waiting.get()) is not None:
            yield chunk


class ReadFigures(Protocol):
    def __call__(self, now: datetime, watched: Set[str]) -> tuple[Figures, Mapping[str, AreaAlarms]]:
        """The city's totals, and the alarms of each watched subtree."""


class Live:
    """Takes the pictures and knows the screens. Runs on the event loop of one api process."""

    def __init__(
        self,
        read_figures: ReadFigures,
        *,
        processes: Callable[[], list[Process]],
        sources: Callable[[datetime, datetime], dict[str, Source]],
        clock: Clock,
        limits: ScreenLimits,
        period_s: float = PERIOD_S,
    ) -> None:
        self._read_figures, self._processes, self._clock = read_figures, processes, clock
        self._sources = sources
        self._period_s = period_s
        self._screens: set[Screen] = set()
        self._of_caller: Counter[Caller] = Counter()
        self._public = 0
        self._alarms: Mapping[str, AreaAlarms] = {}
        self._chunks: dict[Reach | None, bytes] = {}
        self._has_ended = False
        self._limits = limits
        self.snapshot: Snapshot | None = None

    @property
    def screens(self) -> int:
        return len(self._screens)

    def is_full_for(self, screen: Screen) -> bool:
        """Whether the room is taken that such a screen needs."""
        if screen.is_public:
            return self._public >= self._limits.public_max
        return len(self._screens) - self._public >= self._limits.officials_max

    def has_too_many_of(self, caller: Caller | None) -> bool:
        return caller is not None and self._of_caller[caller] >= self._limits.per_caller_max

    async def run(self) -> None:
        while not self._has_ended:
            started = asyncio.get_running_loop().time()
            self.snapshot = await self.take()
            self._chunks.clear()
            self.show()
            took = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, self._period_s - took))

    async def take(self) -> Snapshot:
        """A picture of now. While the store is away it has no figures, and screens see the last ones grow old."""
        now = self._clock()
        figures = None
        watched = {screen.reach.area for screen in self._screens if screen.reach and screen.reach.shows_alarms}
        try:
            reading = asyncio.create_task(asyncio.to_thread(self._read_figures, now, watched))
            while not reading.done():
                await asyncio.wait([reading], timeout=self._period_s)
                if not reading.done():
                    self.show(_HEARTBEAT)
            figures, self._alarms = reading.result()
        except Exception as error:
            unexpected = None if is_passing(error) else error
            log.warning("the read model cannot be read", error=type(error).__name__, exc_info=unexpected)
        sources = {} if figures is None else self._sources(now, figures.known_until)
        return Snapshot(now, figures, self._processes(), sources)

    def show(self, chunk: bytes | None = None) -> None:
        """Hand each screen its picture, or all the same `chunk`; who does not keep up or whose token is over ends."""
        now = self._clock().timestamp()
        for screen in list(self._screens):
            if now >= screen.ends_at or not screen.offer(chunk or self._chunk_for(screen.reach)):
                self.leave(screen)
                screen.end()

    def join(self, screen: Screen) -> None:
        """A new screen gets the last picture at once; none is taken in once the process ends.

        Alarms of a subtree that nobody watched come with the next picture.
        """
        if self._has_ended:
            screen.end()
            return
        self._screens.add(screen)
        self._public += screen.is_public
        if screen.caller is not None:
            self._of_caller[screen.caller] += 1
        screen.offer(self._chunk_for(screen.reach))

    def _chunk_for(self, reach: Reach | None) -> bytes:
        """The picture as it is sent, made once for all screens of the same reach."""
        if self.snapshot is None:
            return _HEARTBEAT
        if reach is not None and reach.shows_alarms and reach.area not in self._alarms and self.snapshot.figures:
            return _HEARTBEAT
        if reach not in self._chunks:
            alarms = self._alarms.get(reach.area, NO_ALARMS) if reach else NO_ALARMS
            picture = reached(self.snapshot, reach, alarms) if reach else self.snapshot
            self._chunks[reach] = b"data: " + orjson.dumps(picture, option=orjson.OPT_UTC_Z) + b"\n\n"
        return self._chunks[reach]

    def leave(self, screen: Screen) -> None:
        """Give the screen's room back; a screen that has left already has none."""
        if screen not in self._screens:
            return
        self._screens.remove(screen)
        self._public -= screen.is_public
        if screen.caller is not None:
            self._of_caller[screen.caller] -= 1
            if not self._of_caller[screen.caller]:
                del self._of_caller[screen.caller]

    async def end_when(self, is_ending: Callable[[], bool]) -> None:
        """Watch for the process being told to end, which the server knows before its streams do."""
        while not is_ending():
            await asyncio.sleep(0.1)
        self.end()

    def end(self) -> None:
        self._has_ended = True
        for screen in list(self._screens):
            self.leave(screen)
            screen.end()


class LiveResponse(StreamingResponse):
    """The stream of one screen; a picture that cannot be sent in time ends it."""

    def __init__(self, live: Live, screen: Screen, *, send_s_max: float = SEND_S_MAX) -> None:
        self._live, self._screen, self._send_s_max = live, screen, send_s_max
        super().__init__(self._screen.chunks(), media_type="text/event-stream", headers=_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._live.join(self._screen)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._live.leave(self._screen)

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._send_s_max):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            log.info("a screen did not keep up")
