"""One scan for one request: read when its turn comes, and answered when it is durable, without a task of its own.

So many single scans are under way at once (`SINGLE_SCANS_MAX`): as many as fill the commit groups. Further ones wait
unread, in the order of their arrival, so that a refusal costs next to nothing (standing_queue.py says which are shed).

Only what must be asked elsewhere (a checkpoint that is new to this process, a vehicle's people, the mask of whom the
guard compares) gets a task; whose document it is, is asked together with all others that have come.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Mapping

import orjson

from chassis.auth import Bearer
from chassis.direct import Respond
from services.checkpoints.answers import Answer, AnswerTimes, answer, each_of, overload, refusal, with_people
from services.checkpoints.attempts import parsed
from services.checkpoints.domain.errors import Overloaded
from services.checkpoints.domain.scans import Attempt, Checkpoint, Ruling
from services.checkpoints.scan_parts import ScanParts
from services.checkpoints.standing_queue import StandingQueue

ROUTE = "/v1/scans"
_READ_AT_ONCE, _SHED_AT_ONCE = 16, 256
_WATCH_S = 0.02


class SingleScans:
    def __init__(self, parts: ScanParts, times: AnswerTimes, queue: StandingQueue, *, waiting_max: int) -> None:
        """`waiting_max` is for a burst; while the queue stands, half as many wait as are under way."""
        self._scan_path, self._attempts, self._checkpoints = parts.scan_path, parts.attempts, parts.checkpoints
        self._policies, self._masks, self._clock = parts.policies, parts.masks, parts.clock
        self.admission, self._times = parts.admission, times
        self._queue, self._burst_max = queue, waiting_max
        self._standing_max = min(waiting_max, max(1, parts.admission.singles_max // 2))
        self._waiting: deque[tuple[_Single, bytes]] = deque()
        self._is_pumping = False
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def waiting(self) -> int:
        """Single scans that wait to be read."""
        return len(self._waiting)

    def is_full(self) -> bool:
        """Whether one more single scan is refused before anything of it is looked at.

        In a standing queue the last would wait longest, only to be shed by its age.
        """
        return len(self._waiting) >= (self._standing_max if self._queue.is_standing else self._burst_max)

    def shed(self, _body: bytes, respond: Respond) -> None:
        """Refuse a single scan of which nothing was looked at."""
        now_s = time.monotonic()
        self._times.take(ROUTE, 503, 0.0)
        respond(*overload(self.admission.turn_s(now_s)))

    def take(self, bearer: Bearer, body: bytes, respond: Respond) -> None:
        """`respond` is called once, now or later, whatever happens; this raises nothing."""
        now_s = time.monotonic()
        refused_for_s = self.admission.refused_for_s(now_s)
        single = _Single(self, bearer, respond, now_s)
        if refused_for_s:
            single.refuse(Overloaded(refused_for_s))
        elif self.is_full():
            single.refuse(Overloaded())
        elif self._waiting or not self.admission.has_room():
            self._waiting.append((single, body))
            self._watch()
        else:
            self._queue.took(now_s, 0.0)
            self._enter(single, body)

    # -- the queue ---------------------------------------------------------------------------------------------------

    def _enter(self, single: _Single, body: bytes) -> None:
        self.admission.enter()
        single.is_under_way = True
        try:
            self._begin(single, body)
        except Exception as error:
            single.refuse(error)

    def _pump_soon(self) -> None:
        if self._waiting and not self._is_pumping:
            self._is_pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Read those whose turn has come, and shed those that are too old: a few, so that others have a turn."""
        self._is_pumping = False
        now_s, read = time.monotonic(), 0
        for _ in range(_SHED_AT_ONCE):
            if not self._waiting or read == _READ_AT_ONCE:
                break
            waited_s = now_s - self._waiting[0][0].began_s
            if waited_s <= self._queue.age_s_max and not self.admission.has_room():
                return
            single, body = self._waiting.popleft()
            self._queue.took(now_s, waited_s)
            if waited_s > self._queue.age_s_max:
                single.refuse(Overloaded())
            else:
                read += 1
                self._enter(single, body)
        self._pump_soon()

    def _watch(self) -> None:
        """While something waits, look at its age now and then: nothing else may happen while the store is away."""
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(_WATCH_S, self._look)

    def _look(self) -> None:
        self._alarm = None
        if self._waiting:
            self._pump()
            self._watch()

    # -- one scan ----------------------------------------------------------------------------------------------------

    def _begin(self, single: _Single, body: bytes) -> None:
        now = self._clock()
        single.attempt = attempt = self._attempts.read(parsed(body), now)
        single.checkpoint = checkpoint = self._checkpoints.known(single.bearer, attempt)
        if checkpoint is None or attempt.people:
            self._later(single, self._asking(single, attempt))
        elif attempt.person_ref is not None:
            self._scan_path.begin_scans([(attempt, checkpoint)], now, lambda rulings: single.be_ruled(rulings[0]))
        else:
            self._scan_path.begin_scan(attempt, checkpoint, now, single.be_ruled)

    async def _asking(self, single: _Single, attempt: Attempt) -> None:
        """What must ask before the scan can be recorded."""
        checkpoint = single.checkpoint = await self._checkpoints.find(single.bearer, attempt)
        if attempt.people:
            rulings = await self._scan_path.record_vehicle(attempt, checkpoint)
            recorded = with_people(attempt, checkpoint, rulings, self._policies)
        else:
            ruling = await self._scan_path.record_scan(attempt, checkpoint)
            recorded = answer(attempt, checkpoint, ruling, self._policies)
        await self._show(single, attempt, checkpoint, recorded)

    async def _show(self, single: _Single, attempt: Attempt, checkpoint: Checkpoint, recorded: Answer) -> None:
        """Answer, with the masks of those whom the guard compares."""
        await self._masks.add_persons(each_of(attempt, checkpoint, recorded), single.bearer.subject)
        self._answer(single, recorded)

    def ruled(self, single: _Single, attempt: Attempt, checkpoint: Checkpoint, ruling: Ruling) -> None:
        recorded = answer(attempt, checkpoint, ruling, self._policies)
        if self._masks.is_wanted(attempt, checkpoint, recorded):
            self._later(single, self._show(single, attempt, checkpoint, recorded))
        else:
            self._answer(single, recorded)

    def _answer(self, single: _Single, recorded: Answer) -> None:
        self.admission.answered(time.monotonic())
        single.respond(200, orjson.dumps(recorded, option=orjson.OPT_UTC_Z))

    def left(self, single: _Single, status: int) -> None:
        """It has its answer."""
        if single.is_under_way:
            self.admission.leave()
            self._pump_soon()
        self._times.take(ROUTE, status, time.monotonic() - single.began_s)

    def _later(self, single: _Single, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(single, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, single: _Single, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:
            single.refuse(error)


class _Single:
    """A scan under way."""

    __slots__ = (
        "_respond",
        "_scans",
        "attempt",
        "bearer",
        "began_s",
        "checkpoint",
        "is_answered",
        "is_under_way",
    )

    def __init__(self, scans: SingleScans, bearer: Bearer, respond: Respond, began_s: float) -> None:
        self._scans, self.bearer, self._respond, self.began_s = scans, bearer, respond, began_s
        self.is_under_way = self.is_answered = False
        self.attempt: Attempt | None = None
        self.checkpoint: Checkpoint | None = None

    def be_ruled(self, ruling: Ruling | Exception) -> None:
        """What the scan log tells. Raises nothing."""
        if isinstance(ruling, Exception):
            return self.refuse(ruling)
        assert self.attempt is not None
        assert self.checkpoint is not None
        try:
            self._scans.ruled(self, self.attempt, self.checkpoint, ruling)
        except Exception as error:
            self.refuse(error)
        return None

    def refuse(self, error: Exception) -> None:
        self.respond(*refusal(error, self._scans.admission))

    def respond(
        self, status: int, body: bytes, media_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        if self.is_answered:
            return
        self.is_answered = True
        self._scans.left(self, status)
        self._respond(status, body, media_type, headers)
