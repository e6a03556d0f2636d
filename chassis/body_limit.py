"""No body larger than the service accepts is read to its end, and none that holds too much is looked into.

A body that is more than small is read only of a caller whose token is good, and while the process has room for it.

The framework's own limit answers in plain text, whatever handlers are installed; here a refusal is a problem document
like every other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.body_shape import LARGE_BYTES, too_much_of
from chassis.held_bodies import SMALL_BYTES, HeldBodies
from chassis.problems import HTTP_ERRORS, Problem


class BodyLimit:
    """ASGI middleware: a larger body is refused at its announcement or, where none came, at the first byte too many.

    `caller_of` takes the header Authorization, None where there is none; it raises `Problem` (401).
    """

    def __init__(self, app: ASGIApp, bytes_max: int, held: HeldBodies, caller_of: Callable[[str | None], str]) -> None:
        self._app, self._bytes_max, self._held, self._caller_of = app, bytes_max, held, caller_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"")
        if not announced and b"transfer-encoding" not in headers:
            return await self._app(scope, receive, send)
        with ExitStack() as until_answered:
            try:
                size = int(announced) if announced.isdigit() else self._bytes_max
                self._require_size(size)
                if size > SMALL_BYTES:
                    authorization = headers.get(b"authorization")
                    caller = self._caller_of(None if authorization is None else authorization.decode("latin-1"))
                    until_answered.enter_context(self._held.hold(caller, size))
                body = await self._whole(receive)
            except Problem as refusal:
                return await refusal.response()(scope, receive, send)
            if body is not None:
                await self._app(scope, _once_more(body, receive), send)
        return None

    async def _whole(self, receive: Receive) -> bytes | None:
        """None when the caller has left. Raises `Problem`."""
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            self._require_size(size)
            if not message.get("more_body", False):
                break
        body = b"".join(parts)
        await require_shape(body)
        return body

    def _require_size(self, size: int) -> None:
        if size > self._bytes_max:
            raise Problem(413, *HTTP_ERRORS[413])


async def require_shape(body: bytes) -> None:
    """Raises `Problem` for a body that holds too much. Whoever reads the body next has a turn of its own."""
    if len(body) <= LARGE_BYTES:
        problem = too_much_of(body)
    else:
        problem = await asyncio.to_thread(too_much_of, body)
    if problem is not None:
        raise problem


def _once_more(body: bytes, receive: Receive) -> Receive:
    """As `receive`, with the whole body first."""
    is_told = False

    async def told() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return told
