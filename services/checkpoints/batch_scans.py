"""Many scans in one request, as a concentrator or a gate that was offline sends them: each has its own answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from chassis.auth import Bearer
from services.checkpoints.answers import Answer, answer, each_of, problem_for, with_people
from services.checkpoints.attempts import FieldError, parsed, read_members
from services.checkpoints.domain.errors import Overloaded, StoreUnavailable
from services.checkpoints.domain.scans import Attempt, Checkpoint, Ruling
from services.checkpoints.masks import Answered
from services.checkpoints.scan_parts import ScanParts

ROUTE = "/v1/scans/batch"
BATCH_MAX = 1000
_BATCH = frozenset(["scans"])

Item = tuple[Attempt, Checkpoint]


class BatchScans:
    def __init__(self, parts: ScanParts) -> None:
        self._scan_path, self._attempts, self._checkpoints = parts.scan_path, parts.attempts, parts.checkpoints
        self._policies, self._masks, self._clock = parts.policies, parts.masks, parts.clock
        self._admission = parts.admission

    async def record(self, bearer: Bearer, body: bytes) -> Answer:
        """Raises what refuses the whole batch; what refuses one of its scans stands in that one's place."""
        bodies = _bodies(body)
        refused_for_s = self._admission.refused_for_s(time.monotonic(), len(bodies), is_single=False)
        if refused_for_s:
            raise Overloaded(refused_for_s)
        now = self._clock()
        read = [self._read(bearer, each, number, now) for number, each in enumerate(bodies)]
        items = [await self._found(bearer, each) if isinstance(each, Attempt) else each for each in read]
        singles = [each for each in items if isinstance(each, tuple) and not each[0].people]
        rulings = iter(await self._scan_path.record_scans(singles))
        results = await self._results(items, rulings)
        failed = [each for each in results if isinstance(each, StoreUnavailable | Overloaded)]
        if failed and not any(isinstance(each, dict) for each in results):
            raise failed[0]
        self._admission.answered(time.monotonic(), len(results) - len(failed))
        await self._masks.add_persons(_recorded(items, results), bearer.subject)
        return {"results": [_shown(each, body) for each, body in zip(results, bodies, strict=True)]}

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
            results.append(away or await self._vehicle(item))
            if isinstance(results[-1], StoreUnavailable):
                away = results[-1]
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


def _bodies(body: bytes) -> list[object]:
    """Raises `FieldError`."""
    bodies = read_members(parsed(body), _BATCH).get("scans")
    if not isinstance(bodies, list) or not 1 <= len(bodies) <= BATCH_MAX:
        raise FieldError("scans", f"must be a list of 1 to {BATCH_MAX}")
    return bodies


def _is_vehicle(item: Item | Exception) -> bool:
    return isinstance(item, tuple) and bool(item[0].people)


def _recorded(items: Sequence[Item | Exception], results: Sequence[Answer | Exception]) -> list[Answered]:
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
