"""Methods beside those that routes name: HEAD wherever GET is, and which methods an address takes (RFC 9110, 9.3.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Methods that a route of ours can have."""


class HeadAsGet:
    """ASGI middleware: HEAD is answered as GET would be, without the content.

    The server leaves out the content, since it knows the caller's method. An answer that has no end, such as a stream
    of events, ends behind its head.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self._app(scope, receive, send)
        is_answered = False

        async def heard() -> Message:
            return {"type": "http.disconnect"} if is_answered else await receive()

        async def told(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                is_answered = True
            await asyncio.sleep(0)

        return await self._app({**scope, "method": "GET"}, heard, told)


def allowed(routes: list[BaseRoute], scope: Mapping[str, Any]) -> list[str]:
    """Methods that the address of this request takes."""
    taken = [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return [method for method in METHODS if method in taken or (method == "HEAD" and "GET" in taken)]
