"""Many scans in one request, as a concentrator or a gate that was offline sends them: each has its own answer.

A small batch, such as a station sends every second, is begun at once and answered when its last scan is durable,
without a task. What has a vehicle in it or is large has a task, and lets others have a turn meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

import orjson

from chassis.auth import Bearer
from chassis.direct import Respond
from services.checkpoints.answers import Answer, AnswerTimes, answer, each_of, problem_for, refusal, with_people
from services.checkpoints.attempts import FieldError, parsed, read_members
from services.checkpoints.domain.errors import Overloaded, StoreUnavailable
from services.checkpoints.domain.scans import Attempt, Checkpoint, Ruling
from services.checkpoints.masks import Answered
from services.checkpoints.rate_limit import Admission
from services.checkpoints.scan_parts import ScanParts

ROUTE = "/v1/scans/batch"
BATCH_MAX = 1000
SMALL_MAX = 32
"""Scans that are read in one go: a few milliseconds in which nobody else has a turn."""
_BATCH = frozenset(["scans"])

Item = tuple[Attempt, Checkpoint]
Recorded = Sequence[Ruling | Exception]


class BatchScans:
    def __init__(self, parts: ScanParts, times: AnswerTimes) -> None:
        self._scan_path, self._attempts, self._checkpoints = parts.scan_path, parts.attempts, parts.checkpoints
        self._policies, self._masks, self._clock = parts.policies, parts.masks, parts.clock
        self._admission, self._times = parts.admission, times
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, bearer: Bearer, body: bytes, respond: Respond) -> None:
        """`respond` is called once, now or later, whatever happens; this raises nothing."""
        batch = _Batch(self._admission, self._times, bearer, respond)
        try:
            self._begin(batch, body)
        except Exception as error:
            batch.refuse(error)

    def _begin(self, batch: _Batch, body: bytes) -> None:
        batch.bodies = bodies = _bodies(body)
        refused_for_s = self._admission.refused_for_s(time.monotonic(), len(bodies))
        if refused_for_s:
            raise Overloaded(refused_for_s)
        now = self._clock()
        if len(bodies) > SMALL_MAX:
            return self._later(batch, self._read_and_ask(batch, now))
        read = [self._read(batch.bearer, each, number, now) for number, each in enumerate(bodies)]
        items = [each for each in read if not isinstance(each, Attempt) and not _is_vehicle(each)]
        if len(items) < len(read):
            return self._later(batch, self._ask(batch, read))
        self._scan_path.begin_scans(
            [each for each in items if isinstance(each, tuple)], now, partial(self._end, batch, items)
        )
        return None

    # -- without a task ----------------------------------------------------------------------------------------------

    def _end(self, batch: _Batch, items: Sequence[Item | Exception], recorded: Recorded) -> None:
        """What the scan log tells of a small batch. Raises nothing."""
        try:
            rulings = iter(recorded)
            results = [self._result(item, rulings) for item in items]
            self._require_some(results)
            answered = _answered(items, results)
            if any(self._masks.is_wanted(*each) for each in answered):
                self._later(batch, self._compare(batch, items, results))
            else:
                batch.show(results)
        except Exception as error:
            batch.refuse(error)

    # -- with one ----------------------------------------------------------------------------------------------------

    async def _read_and_ask(self, batch: _Batch, now: datetime) -> None:
        read: list[Item | Attempt | Exception] = []
        for number, each in enumerate(batch.bodies):
            if number % SMALL_MAX == SMALL_MAX - 1:
                await asyncio.sleep(0)
            read.append(self._read(batch.bearer, each, number, now))
        await self._ask(batch, read)

    async def _ask(self, batch: _Batch, read: Sequence[Item | Attempt | Exception]) -> None:
        items = [await self._found(batch.bearer, each) if isinstance(each, Attempt) else each for each in read]
        singles = [each for each in items if isinstance(each, tuple) and not each[0].people]
        rulings = iter(await self._scan_path.record_scans(singles))
        results = await self._results(items, rulings)
        self._require_some(results)
        await self._compare(batch, items, results)

    async def _compare(
        self, batch: _Batch, items: Sequence[Item | Exception], results: Sequence[Answer | Exception]
    ) -> None:
        """Answer, with the masks of those whom the guard compares."""
        await self._masks.add_persons(_answered(items, results), batch.bearer.subject)
        batch.show(results)

    def _later(self, batch: _Batch, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(batch, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, batch: _Batch, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:
            batch.refuse(error)

    # -- one scan of many --------------------------------------------------------------------------------------------

    def _read(self, bearer: Bearer, body: object, number: int, now: datetime) -> Item | Attempt | Exception:
        """An attempt alone is one whose checkpoint this process does not know."""
        try:
            attempt = self._attempts.read(body, now, f"scans.{number}.")
            checkpoint = self._checkpoints.known(bearer, attempt)
            return attempt if checkpoint is None else (attempt, checkpoint)
        except Exception as error:
            return error

    async def _found(self, bearer: Bearer, attempt: Attempt) -> Item | Exception:
        try:
            return attempt, await self._checkpoints.find(bearer, attempt)
        except Exception as error:
            return error

    async def _results(
        self, items: Sequence[Item | Exception], rulings: Iterator[Ruling | Exception]
    ) -> list[Answer | Exception]:
        """In order. After a vehicle for which the store was away no other is tried: each would wait as long."""
        results: list[Answer | Exception] = []
        away: StoreUnavailable | None = None
        for item in items:
            if not _is_vehicle(item):
                results.append(self._result(item, rulings))
                continue
            result = away or await self._vehicle(item)
            results.append(result)
            if isinstance(result, StoreUnavailable):
                away = result
        return results

    def _result(self, item: Item | Exception, rulings: Iterator[Ruling | Exception]) -> Answer | Exception:
        """An item's answer, or why it has none; `rulings` yields those of the items that are recorded, in order."""
        if isinstance(item, Exception):
            return item
        ruling = next(rulings)
        return ruling if isinstance(ruling, Exception) else answer(*item, ruling, self._policies)

    async def _vehicle(self, item: Item | Exception) -> Answer | Exception:
        """A vehicle with its people, which are recorded one after the other."""
        assert isinstance(item, tuple)
        try:
            return with_people(*item, await self._scan_path.record_vehicle(*item), self._policies)
        except Exception as error:
            return error

    def _require_some(self, results: Sequence[Answer | Exception]) -> None:
        """A batch of which the store took nothing is refused whole."""
        failed = [each for each in results if isinstance(each, StoreUnavailable | Overloaded)]
        if failed and not any(isinstance(each, dict) for each in results):
            raise failed[0]
        self._admission.answered(time.monotonic(), len(results) - len(failed))


class _Batch:
    """A batch under way."""

    __slots__ = ("_admission", "_began_s", "_is_answered", "_respond", "_times", "bearer", "bodies")

    def __init__(self, admission: Admission, times: AnswerTimes, bearer: Bearer, respond: Respond) -> None:
        self._admission, self._times, self.bearer, self._respond = admission, times, bearer, respond
        self._began_s, self._is_answered = time.monotonic(), False
        self.bodies: Sequence[object] = ()

    def show(self, results: Sequence[Answer | Exception]) -> None:
        shown = [_shown(each, body) for each, body in zip(results, self.bodies, strict=True)]
        self._answer(200, orjson.dumps({"results": shown}, option=orjson.OPT_UTC_Z))

    def refuse(self, error: Exception) -> None:
        self._answer(*refusal(error, self._admission))

    def _answer(
        self, status: int, body: bytes, media_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        if self._is_answered:
            return
        self._is_answered = True
        self._times.take(ROUTE, status, time.monotonic() - self._began_s)
        self._respond(status, body, media_type, headers)


def _bodies(body: bytes) -> list[object]:
    """Raises `FieldError`."""
    bodies = read_members(parsed(body), _BATCH).get("scans")
    if not isinstance(bodies, list) or not 1 <= len(bodies) <= BATCH_MAX:
        raise FieldError("scans", f"must be a list of 1 to {BATCH_MAX}")
    return bodies


def _is_vehicle(item: Item | Exception) -> bool:
    return isinstance(item, tuple) and bool(item[0].people)


def _answered(items: Sequence[Item | Exception], results: Sequence[Answer | Exception]) -> list[Answered]:
    """The scans that were recorded, each person's of a vehicle too."""
    return [
        each
        for item, result in zip(items, results, strict=True)
        if isinstance(item, tuple) and isinstance(result, dict)
        for each in each_of(*item, result)
    ]


def _shown(result: Answer | Exception, body: object) -> Answer:
    if not isinstance(result, Exception):
        return result
    scan_id = body.get("scan_id") if isinstance(body, dict) else None
    return {"scan_id": scan_id if isinstance(scan_id, str) else None, "problem": problem_for(result).document()}
