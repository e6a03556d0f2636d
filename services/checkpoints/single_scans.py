"""One scan for one request: taken at once, and answered when it is durable, without a task of its own.

Only what must be asked elsewhere (a checkpoint that is new to this process, a vehicle's people, the mask of whom the
guard compares) gets a task; whose document it is, is asked together with all others that have come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping

import orjson

from chassis.auth import Bearer
from chassis.direct import Respond
from services.checkpoints.answers import Answer, AnswerTimes, answer, each_of, refusal, with_people
from services.checkpoints.attempts import parsed
from services.checkpoints.domain.errors import Overloaded
from services.checkpoints.domain.scans import Attempt, Checkpoint, Ruling
from services.checkpoints.scan_parts import ScanParts

ROUTE = "/v1/scans"


class SingleScans:
    def __init__(self, parts: ScanParts, times: AnswerTimes) -> None:
        self._scan_path, self._attempts, self._checkpoints = parts.scan_path, parts.attempts, parts.checkpoints
        self._policies, self._masks, self._clock = parts.policies, parts.masks, parts.clock
        self.admission, self._times = parts.admission, times
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, bearer: Bearer, body: bytes, respond: Respond) -> None:
        """`respond` is called once, now or later, whatever happens; this raises nothing."""
        now_s = time.monotonic()
        refused_for_s = self.admission.refused_for_s(now_s, is_single=True)
        single = _Single(self, bearer, respond, now_s)
        if refused_for_s:
            return single.refuse(Overloaded(refused_for_s))
        single.is_let_in = True
        try:
            self._begin(single, body)
        except Exception as error:
            single.refuse(error)
        return None

    def _begin(self, single: _Single, body: bytes) -> None:
        now = self._clock()
        single.attempt = attempt = self._attempts.read(parsed(body), now)
        single.checkpoint = checkpoint = self._checkpoints.known(single.bearer, attempt)
        if checkpoint is None or attempt.people:
            self._later(single, self._asking(single, attempt))
        elif attempt.person_ref is not None:
            single.has_asked = True
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
        now_s = time.monotonic()
        if single.has_asked:
            self.admission.answered(now_s, 1)
        else:
            self.admission.single_answered(now_s, now_s - single.began_s)
        single.respond(200, orjson.dumps(recorded, option=orjson.OPT_UTC_Z))

    def left(self, single: _Single, status: int) -> None:
        """It has its answer."""
        now_s = time.monotonic()
        if single.is_let_in:
            self.admission.leave()
        self._times.take(ROUTE, status, now_s - single.began_s)

    def _later(self, single: _Single, work: Coroutine[None, None, None]) -> None:
        single.has_asked = True
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
        "has_asked",
        "is_answered",
        "is_let_in",
    )

    def __init__(self, scans: SingleScans, bearer: Bearer, respond: Respond, began_s: float) -> None:
        self._scans, self.bearer, self._respond, self.began_s = scans, bearer, respond, began_s
        self.is_let_in = self.is_answered = self.has_asked = False
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
