"""No body larger than the service accepts is read to its end, and none that holds too much is looked into.

The framework's own limit answers in plain text, whatever handlers are installed; here a refusal is a problem document
like every other.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.body_shape import LARGE_BYTES, too_much_of
from chassis.problems import HTTP_ERRORS, Problem


class BodyLimit:
    """ASGI middleware: a larger body is refused at its announcement or, where none came, at the first byte too many."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app, self._bytes_max = app, bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"")
        if not announced and b"transfer-encoding" not in headers:
            return await self._app(scope, receive, send)
        try:
            body = await self._whole(receive, int(announced) if announced.isdigit() else 0)
        except Problem as refusal:
            return await refusal.response()(scope, receive, send)
        if body is None:
            return None
        return await self._app(scope, _once_more(body, receive), send)

    async def _whole(self, receive: Receive, announced: int) -> bytes | None:
        """None when the caller has left. Raises `Problem`."""
        self._require_size(announced)
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
