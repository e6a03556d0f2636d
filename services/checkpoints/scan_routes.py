"""The two routes of the scan path as raw ASGI, in front of the FastAPI application, which documents them.

What a framework does for a request costs as much as a scan; so the bearer, the body and the answer are handled here,
and what a gate sends that is known already is taken right from its connection (chassis/direct.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from opentelemetry import trace
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.auth import Bearer, TokenReader
from chassis.body_limit import require_shape
from chassis.body_shape import LARGE_BYTES
from chassis.direct import Headers, Respond, Take
from chassis.held_bodies import SMALL_BYTES, HeldBodies
from chassis.problems import Problem
from chassis.queries import require_no_query
from chassis.telemetry import context_of
from services.checkpoints import batch_scans, single_scans
from services.checkpoints.answers import AnswerTimes, refusal
from services.checkpoints.batch_scans import BatchScans
from services.checkpoints.rate_limit import Admission
from services.checkpoints.single_scans import SingleScans

tracer = trace.get_tracer("guanka.checkpoints")

TRACED_ONE_IN = 200
_SAMPLED = tuple(digit.encode() for digit in "13579bdf")
"""How a traceparent ends whose last bit says that the caller traces (W3C Trace Context, 3.2.2.5)."""
_BEARERS_MAX = 20_000
_REFRESHED_BEFORE_S = 15.0
_SINGLE = single_scans.ROUTE.encode()

Taker = Callable[[Bearer, bytes, Respond], None]
"""Takes a request's body, and responds now or later; it raises nothing."""


class _Gone(Exception):
    """The caller has left."""


class _Shown(NamedTuple):
    """An answer as HTTP has it."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] | None = None


class ScanRoutes:
    """ASGI: `POST /v1/scans` and `POST /v1/scans/batch`; everything else goes on to `app`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        singles: SingleScans,
        batches: BatchScans,
        token_reader: TokenReader,
        admission: Admission,
        times: AnswerTimes,
        body_bytes_max: int,
        held: HeldBodies,
    ) -> None:
        self._app = app
        self._token_reader, self._admission, self._times = token_reader, admission, times
        self._body_bytes_max, self._held = body_bytes_max, held
        self._taken = self._spans_due = 0
        self._bearers: dict[bytes, tuple[float, Bearer]] = {}
        self._reading: dict[bytes, asyncio.Task[Bearer]] = {}
        self._singles = singles
        self._takers = {single_scans.ROUTE: singles.take, batch_scans.ROUTE: batches.take}
        self._by_target = {route.encode(): take for route, take in self._takers.items()}

    def under_way(self) -> int:
        """Single scans that have no answer yet."""
        return self._admission.singles

    def directly(self, target: bytes, headers: Headers) -> Take | None:
        """`chassis.direct.AnswersDirectly`: scans of gates whose token is remembered; a request with a span is not."""
        if target == _SINGLE and self._singles.is_full():
            return self._singles.shed
        taker = self._by_target.get(target)
        if taker is None or int(headers[b"content-length"]) > self._body_bytes_max:
            return None
        bearer = self._remembered(headers.get(b"authorization", b""))
        if bearer is None or headers.get(b"traceparent", b"").endswith(_SAMPLED):
            return None
        if self._is_one_of_many():
            self._spans_due += 1
            return None
        return partial(taker, bearer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        taker = self._takers.get(scope["path"]) if scope["type"] == "http" else None
        if taker is None:
            return await self._app(scope, receive, send)
        began_s = time.monotonic()
        try:
            bearer, body, traceparent = await self._received(scope, receive)
        except _Gone:
            return None
        except Exception as error:
            shown = self._refused(error)
            self._times.take(scope["path"], shown.status, time.monotonic() - began_s)
            return await _send(send, shown)
        if not self._is_traced(traceparent):
            return await _send(send, await _taken(taker, bearer, body))
        with tracer.start_as_current_span(f"POST {scope['path']}", context=context_of(traceparent.decode("latin-1"))):
            shown = await _taken(taker, bearer, body)
        return await _send(send, shown)

    async def _received(self, scope: Scope, receive: Receive) -> tuple[Bearer, bytes, bytes]:
        """Who asks, the body, and `traceparent`. Raises a `Problem`."""
        if scope["method"] != "POST":
            raise Problem(405, "method_not_allowed", "This address takes POST.", headers={"Allow": "POST"})
        require_no_query(scope.get("query_string", b""))
        headers = dict(scope["headers"])
        authorization = headers.get(b"authorization", b"")
        bearer = self._remembered(authorization) or await self._bearer(authorization)
        body = await self._body(bearer, headers.get(b"content-length", b""), receive)
        if len(body) > LARGE_BYTES:
            await require_shape(body)
        return bearer, body, headers.get(b"traceparent", b"")

    def _refused(self, error: Exception) -> _Shown:
        return _Shown(*refusal(error, self._admission))

    def _is_traced(self, traceparent: bytes) -> bool:
        """A span for a few: where the caller traces, and one of many; a span costs more than a decision."""
        if traceparent.endswith(_SAMPLED):
            return True
        if self._spans_due:
            self._spans_due -= 1
            return True
        return self._is_one_of_many()

    def _is_one_of_many(self) -> bool:
        self._taken += 1
        return self._taken % TRACED_ONE_IN == 0

    def _remembered(self, authorization: bytes) -> Bearer | None:
        known = self._bearers.get(authorization)
        if known is None:
            return None
        left_s = known[0] - time.time()
        if left_s <= 0:
            return None
        if left_s < _REFRESHED_BEFORE_S and known[1].expires_at > known[0] and authorization not in self._reading:
            self._read_again(authorization)
        return known[1]

    def _read_again(self, authorization: bytes) -> None:
        """Verify a token before it must be: else all gates of a storm would wait for theirs at the same moment."""
        task = self._begin_reading(authorization)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _bearer(self, authorization: bytes) -> Bearer:
        """The gate that a token names. Scans that come with the same token meanwhile wait for the same answer."""
        return await asyncio.shield(self._reading.get(authorization) or self._begin_reading(authorization))

    def _begin_reading(self, authorization: bytes) -> asyncio.Task[Bearer]:
        task = self._reading[authorization] = asyncio.get_running_loop().create_task(self._read(authorization))
        task.add_done_callback(lambda _: self._reading.pop(authorization, None))
        return task

    async def _read(self, authorization: bytes) -> Bearer:
        """A gate's token is verified once a minute, in a thread: the issuer's keys may have to be read again."""
        read = await asyncio.to_thread(self._token_reader.read_until, authorization.decode("latin-1"))
        bearer = read[1]
        if not bearer.has_role("gate"):
            raise Problem(403, "role_missing", "This needs the role gate.")
        if len(self._bearers) >= _BEARERS_MAX:
            self._bearers.clear()
        self._bearers[authorization] = read
        return bearer

    async def _body(self, bearer: Bearer, announced: bytes, receive: Receive) -> bytes:
        """The whole body. Raises a `Problem`: 413 as soon as it is too large, 503 where there is no room for it."""
        size = int(announced) if announced.isdigit() else self._body_bytes_max
        self._require_size(size)
        if size <= SMALL_BYTES:
            return await self._whole(receive)
        with self._held.hold(bearer.subject, size):
            return await self._whole(receive)

    async def _whole(self, receive: Receive) -> bytes:
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


async def _taken(taker: Taker, bearer: Bearer, body: bytes) -> _Shown:
    """The answer of what responds when it can, for who waits."""
    answered: asyncio.Future[_Shown] = asyncio.get_running_loop().create_future()

    def respond(
        status: int, body: bytes, media_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        if not answered.done():
            answered.set_result(_Shown(status, body, media_type, headers))

    taker(bearer, body, respond)
    return await answered


async def _send(send: Send, shown: _Shown) -> None:
    lines = [(b"content-type", shown.media_type.encode()), (b"content-length", str(len(shown.body)).encode())]
    lines += [(name.lower().encode(), value.encode()) for name, value in (shown.headers or {}).items()]
    await send({"type": "http.response.start", "status": shown.status, "headers": lines})
    await send({"type": "http.response.body", "body": shown.body})
