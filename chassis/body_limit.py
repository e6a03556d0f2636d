"""No body larger than the service accepts is read to its end; the refusal is a problem document like every other.

The framework's own limit answers in plain text, whatever handlers are installed.
"""

from __future__ import annotations

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.problems import HTTP_ERRORS, Problem


class BodyLimit:
    """ASGI middleware: a larger body is refused at its announcement or, where none came, at the first byte too many."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app, self._bytes_max = app, bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._bytes_max:
            return await Problem(413, *HTTP_ERRORS[413]).response()(scope, receive, send)
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._bytes_max:
                raise HTTPException(413)
            return message

        return await self._app(scope, counted, send)
