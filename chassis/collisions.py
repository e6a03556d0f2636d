"""A request whose transaction met another one is done again, before anybody is told that the store is in trouble.

PostgreSQL ends one of two transactions that wait for each other, and nothing of it is kept; the same request may
succeed at once. So routers whose requests write are made with `route_class=DoneAgain`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.routing import APIRoute

from chassis.database import sqlstate_of

log = structlog.get_logger("collisions")

_ENDED_AT_ONCE = ("40001", "40P01")
"""Serialization and deadlock. A lock that was waited for in vain has taken ten seconds already (55P03)."""
_ATTEMPTS_MAX = 4
_PAUSE_S = 0.01


class DoneAgain(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            for attempt in range(1, _ATTEMPTS_MAX):
                try:
                    return await handle(request)
                except Exception as error:
                    if sqlstate_of(error) not in _ENDED_AT_ONCE:
                        raise
                    log.info("a request met another one", route=self.path_format, sqlstate=sqlstate_of(error))
                await asyncio.sleep(_PAUSE_S * attempt)
            return await handle(request)

        return handled
