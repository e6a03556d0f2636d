"""The two routes of the scan path as raw ASGI, in front of the FastAPI application, which documents them.

What a framework does for a request costs as much as a scan; so the bearer, the body and the answer are handled here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import orjson
import structlog
from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Observation
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.auth import Bearer, TokenReader
from chassis.clock import Clock
from chassis.problems import MEDIA_TYPE, Problem
from chassis.telemetry import context_of, meter
from services.checkpoints.api.problems import problem_of
from services.checkpoints.attempts import AttemptReader, FieldError, read_members
from services.checkpoints.directory import Directory
from services.checkpoints.domain.errors import CheckpointNotFound, CheckpointRefused, Overloaded, StoreUnavailable
from services.checkpoints.domain.life import holding
from services.checkpoints.domain.scans import Attempt, Checkpoint, Ruling
from services.checkpoints.fast_path import Policies, ScanPath
from services.checkpoints.masks import Answered, Masks
from services.checkpoints.rate_limit import Admission
from services.checkpoints.registry import Registry

log = structlog.get_logger("scan_routes")
tracer = trace.get_tracer("guanka.checkpoints")

BATCH_MAX = 1000
TRACED_ONE_IN = 200
_BEARER_CACHE_S, _BEARERS_MAX = 60.0, 20_000
_BATCH = frozenset(["scans"])

Answer = dict[str, Any]

_answer_times = meter.create_histogram(
    "scan_answer_seconds",
    unit="s",
    description="the time of answers of the scan path, one of 16, by route and status",
    explicit_bucket_boundaries_advisory=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_TIMED_ONE_IN = 16


class _Gone(Exception):
    """The caller has left."""


class _Answers:
    """Counts answers exactly and keeps the time of one in sixteen: a histogram costs as much as reading a scan."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        meter.create_observable_counter(
            "scan_answers", [self._observe], description="answers of the scan path, by route and status"
        )

    def take(self, route: str, status: int, seconds: float) -> None:
        count = self._counts[route, status] = self._counts.get((route, status), 0) + 1
        if count % _TIMED_ONE_IN == 1:
            _answer_times.record(seconds, {"route": route, "status": status})

    def _observe(self, _options: CallbackOptions) -> list[Observation]:
        return [
            Observation(count, {"route": route, "status": status})
            for (route, status), count in list(self._counts.items())
        ]


class ScanRoutes:
    """ASGI: `POST /v1/scans` and `POST /v1/scans/batch`; everything else goes on to `app`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        scan_path: ScanPath,
        attempts: AttemptReader,
        registry: Registry,
        directory: Directory,
        policies: Policies,
        token_reader: TokenReader,
        masks: Masks,
        clock: Clock,
        body_bytes_max: int,
        admission: Admission,
    ) -> None:
        self._app, self._scan_path, self._attempts = app, scan_path, attempts
        self._registry, self._directory, self._policies = registry, directory, policies
        self._token_reader, self._clock, self._body_bytes_max = token_reader, clock, body_bytes_max
        self._masks = masks
        self._admission = admission
        self._taken = 0
        self._times = _Answers()
        self._bearers: dict[bytes, tuple[float, Bearer]] = {}
        self._routes = {"/v1/scans": self._record_one, "/v1/scans/batch": self._record_batch}

    def under_way(self) -> int:
        """Single scans that have no answer yet."""
        return self._admission.singles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if record is None:
            return await self._app(scope, receive, send)
        started = time.perf_counter()
        try:
            status, body = 200, orjson.dumps(await self._answer(record, scope, receive), option=orjson.OPT_UTC_Z)
            await _send(send, status, body)
        except _Gone:
            return None
        except Exception as error:
            if isinstance(error, Overloaded) and error.retry_after_s is None:
                error.retry_after_s = self._admission.turn_s(time.monotonic())
            problem = problem_of(error) or _unexpected(error)
            status = problem.status
            await _send(send, status, orjson.dumps(problem.document()), MEDIA_TYPE, problem.headers or {})
        self._times.take(scope["path"], status, time.perf_counter() - started)
        return None

    async def _answer(
        self, record: Callable[[Bearer, object], Awaitable[Answer]], scope: Scope, receive: Receive
    ) -> Answer:
        if scope["method"] != "POST":
            raise Problem(405, "method_not_allowed", "This address takes POST.", headers={"Allow": "POST"})
        headers = dict(scope["headers"])
        authorization = headers.get(b"authorization", b"")
        bearer = self._remembered(authorization) or await self._bearer(authorization)
        body = await self._body(headers.get(b"content-length", b"0"), receive)
        traceparent = headers.get(b"traceparent", b"")
        if record != self._record_one:
            return await self._take(record, bearer, body, traceparent, scope)
        self._let_in(1, is_single=True)
        try:
            return await self._take(record, bearer, body, traceparent, scope)
        finally:
            self._admission.leave()

    async def _take(
        self,
        record: Callable[[Bearer, object], Awaitable[Answer]],
        bearer: Bearer,
        body: bytes,
        traceparent: bytes,
        scope: Scope,
    ) -> Answer:
        """Record what is in the body, under a span where one is wanted."""
        try:
            document = orjson.loads(body)
        except ValueError:
            raise FieldError("body", "must be JSON") from None
        if not self._is_traced(traceparent):
            return await record(bearer, document)
        context = context_of(traceparent.decode("latin-1"))
        with tracer.start_as_current_span(f"POST {scope['path']}", context=context):
            return await record(bearer, document)

    def _let_in(self, scans: int, *, is_single: bool) -> None:
        refused_for_s = self._admission.refused_for_s(time.monotonic(), scans, is_single=is_single)
        if refused_for_s:
            raise Overloaded(refused_for_s)

    def _is_traced(self, traceparent: bytes) -> bool:
        """A span for a few: where the caller traces, and one of many; a span costs more than a decision."""
        self._taken += 1
        return traceparent.endswith(b"-01") or self._taken % TRACED_ONE_IN == 0

    def _remembered(self, authorization: bytes) -> Bearer | None:
        known = self._bearers.get(authorization)
        return known[1] if known is not None and time.time() < known[0] else None

    async def _bearer(self, authorization: bytes) -> Bearer:
        """A gate's token is verified once a minute, in a thread: the issuer's keys may have to be read again."""
        bearer = await asyncio.to_thread(self._token_reader.read, authorization.decode("latin-1"))
        if not bearer.has_role("gate"):
            raise Problem(403, "role_missing", "This needs the role gate.")
        if len(self._bearers) >= _BEARERS_MAX:
            self._bearers.clear()
        self._bearers[authorization] = (min(bearer.expires_at, time.time() + _BEARER_CACHE_S), bearer)
        return bearer

    async def _body(self, announced: bytes, receive: Receive) -> bytes:
        """The whole body. Raises a `Problem` with status 413 as soon as it is too large."""
        self._require_size(int(announced) if announced.isdigit() else 0)
        body: bytes = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone()
            part: bytes = message.get("body", b"")
            body = body + part if body else part
            self._require_size(len(body))
            if not message.get("more_body", False):
                return body

    def _require_size(self, size: int) -> None:
        if size > self._body_bytes_max:
            raise Problem(413, "content_too_large", f"The body is larger than {self._body_bytes_max} bytes.")

    async def checkpoint_for(self, bearer: Bearer, attempt: Attempt) -> Checkpoint:
        """The checkpoint of an attempt as it was then, to which the bearer must be bound and in whose area it must lie.

        Where it was merged into another by then, the scan is that one's.
        """
        if str(attempt.checkpoint_id) not in bearer.checkpoints:
            raise CheckpointRefused()
        checkpoint = self._registry.find(attempt.checkpoint_id, attempt.scanned_at)
        if checkpoint is None:
            versions = await self._directory.checkpoint(attempt.checkpoint_id)
            if versions is None:
                raise CheckpointNotFound()
            self._registry.put([versions])
            checkpoint = holding(versions, attempt.scanned_at)
        if not bearer.can_see_area(checkpoint.area):
            raise CheckpointRefused("This checkpoint lies outside your token's area.")
        return self._registry.taker(checkpoint, attempt.scanned_at)

    async def _record_one(self, bearer: Bearer, document: object) -> Answer:
        attempt = self._attempts.read(document, self._clock())
        checkpoint = await self.checkpoint_for(bearer, attempt)
        recorded = await self._recorded(attempt, checkpoint)
        self._admission.answered(time.monotonic())
        if attempt.people or self._masks.are_asked(checkpoint.kind, recorded["policy_version"]):
            await self._masks.add_persons(_each_of(attempt, checkpoint, recorded), bearer.subject)
        return recorded

    async def _recorded(self, attempt: Attempt, checkpoint: Checkpoint) -> Answer:
        if not attempt.people:
            return answer(attempt, checkpoint, await self._scan_path.record_scan(attempt, checkpoint), self._policies)
        ruling, rulings = await self._scan_path.record_vehicle(attempt, checkpoint)
        people = [
            answer(person, checkpoint, each, self._policies)
            for person, each in zip(attempt.people, rulings, strict=True)
        ]
        return answer(attempt, checkpoint, ruling, self._policies) | {"people": people}

    async def _record_batch(self, bearer: Bearer, document: object) -> Answer:
        bodies = read_members(document, _BATCH).get("scans")
        if not isinstance(bodies, list) or not 1 <= len(bodies) <= BATCH_MAX:
            raise FieldError("scans", f"must be a list of 1 to {BATCH_MAX}")
        self._let_in(len(bodies), is_single=False)
        read = [await self._read_item(bearer, body, number) for number, body in enumerate(bodies)]
        people = [item for item in read if not isinstance(item, Exception) and not item[0].people]
        rulings = iter(await self._scan_path.record_scans(people))
        results = [await self._result(item, rulings) for item in read]
        failed = [each for each in results if isinstance(each, StoreUnavailable | Overloaded)]
        if len(failed) == len(results):
            raise failed[0]
        self._admission.answered(time.monotonic(), len(results) - len(failed))
        await self._masks.add_persons(_all_of(read, results), bearer.subject)
        return {
            "results": [
                _refused_item(body, each) if isinstance(each, Exception) else each
                for body, each in zip(bodies, results, strict=True)
            ]
        }

    async def _read_item(self, bearer: Bearer, body: object, number: int) -> tuple[Attempt, Checkpoint] | Exception:
        try:
            attempt = self._attempts.read(body, self._clock(), f"scans.{number}.")
            return attempt, await self.checkpoint_for(bearer, attempt)
        except Exception as error:
            return error

    async def _result(
        self, item: tuple[Attempt, Checkpoint] | Exception, rulings: Iterator[Ruling | Exception]
    ) -> Answer | Exception:
        """An item's answer, or why it has none; `rulings` yields those of the items without a vehicle, in order."""
        if isinstance(item, Exception):
            return item
        attempt, checkpoint = item
        try:
            if attempt.people:
                return await self._recorded(attempt, checkpoint)
            ruling = next(rulings)
            if isinstance(ruling, Exception):
                return ruling
            return answer(attempt, checkpoint, ruling, self._policies)
        except Exception as error:
            return error


def answer(attempt: Attempt, checkpoint: Checkpoint, ruling: Ruling, policies: Policies) -> Answer:
    """What the contract says of a recorded scan."""
    say = policies.words(checkpoint.kind, ruling)
    return {
        "scan_id": attempt.scan_id,
        "decision": ruling.decision,
        "colour": ruling.colour,
        "refusal": ruling.refusal,
        "say": {"zh": say.zh, "en": say.en},
        "policy_version": ruling.policy_version,
        "board_revision": ruling.board_revision,
        "recorded_at": ruling.recorded_at,
    }


def _each_of(attempt: Attempt, checkpoint: Checkpoint, recorded: Answer) -> list[Answered]:
    """A scan with its answer, and those of a vehicle's people."""
    people = zip(attempt.people, recorded.get("people", ()), strict=True)
    return [(attempt, checkpoint, recorded), *((person, checkpoint, each) for person, each in people)]


def _all_of(
    read: Sequence[tuple[Attempt, Checkpoint] | Exception], results: Sequence[Answer | Exception]
) -> list[Answered]:
    """The scans of a batch that were recorded."""
    found: list[Answered] = []
    for item, result in zip(read, results, strict=True):
        if isinstance(item, tuple) and isinstance(result, dict):
            attempt, checkpoint = item
            found += _each_of(attempt, checkpoint, result)
    return found


def _refused_item(body: object, error: Exception) -> Answer:
    scan_id = body.get("scan_id") if isinstance(body, dict) else None
    problem = problem_of(error) or _unexpected(error)
    return {"scan_id": scan_id if isinstance(scan_id, str) else None, "problem": problem.document()}


def _unexpected(error: Exception) -> Problem:
    log.error("unexpected error on the scan path", error=type(error).__name__, exc_info=error)
    return Problem(500, "unexpected_error", "Something went wrong here; nothing is known to be recorded. Try again.")


async def _send(
    send: Send, status: int, body: bytes, media_type: str = "application/json", headers: Any = None
) -> None:
    lines = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    lines += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
