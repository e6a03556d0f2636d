"""Showing a code: the pass that a person asks for, ten times as often as gates scan it.

1. who asks        a citizen for themselves; a bearer is verified once a minute
2. read one row    whoever asks at the same moment shares a statement (entry_reader.py)
3. sign            a handle and how long it holds; no rule is run

Raw ASGI in front of the FastAPI application, which documents the route and answers everything else: what an official
asks, and whatever is not in order.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.auth import TokenReader
from chassis.clock import Clock
from chassis.problems import Problem
from services.codes.domain.colours import Colour
from services.codes.domain.passes import PassKind
from services.codes.domain.people import Entry

_PATH = re.compile(r"/v1/people/([0-9a-fA-F-]{36})/passes")
_KINDS: Mapping[bytes, PassKind] = {b'{"kind":"shown"}': "shown", b'{"kind":"printed"}': "printed"}
_BODY_BYTES_MAX = 64
_REMEMBERED_S, _REMEMBERED_MAX = 60.0, 200_000


class Entries(Protocol):
    async def find(self, person_ref: str) -> tuple[Entry, Colour] | None:
        """The entry and colour of an enrolled person; None where there is none, or the store does not answer."""


class Press(Protocol):
    def mint(self, kind: PassKind, entry: Entry, now: datetime) -> tuple[str, datetime]: ...


class Showings:
    """ASGI: `POST /v1/people/{person_ref}/passes` of the person; everything else goes on to `app`."""

    def __init__(
        self, app: ASGIApp, *, token_reader: TokenReader, entries: Entries, press: Press, clock: Clock
    ) -> None:
        self._app, self._token_reader = app, token_reader
        self._entries, self._press, self._clock = entries, press, clock
        self._known: dict[bytes, tuple[float, str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope.get("query_string"):
            return await self._app(scope, receive, send)
        asked = _PATH.fullmatch(scope["path"])
        if asked is None or not await self._is_own(asked[1].lower(), scope):
            return await self._app(scope, receive, send)
        message = await receive()
        kind = _kind_of(message)
        found = None if kind is None else await self._entries.find(asked[1].lower())
        if kind is None or found is None:
            return await self._app(scope, _again(message, receive), send)
        entry, colour = found
        token, ends_at = self._press.mint(kind, entry, self._clock())
        answer = {"token": token, "expires_at": ends_at, "colour": colour.word}
        return await _send(send, orjson.dumps(answer, option=orjson.OPT_UTC_Z))

    async def _is_own(self, person_ref: str, scope: Scope) -> bool:
        """Whether a citizen asks for themselves; who was verified is remembered until the token ends, or a minute."""
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        known = self._known.get(authorization)
        if known is None or known[0] < time.time():
            known = await self._verified(authorization)
        return known is not None and known[1] == person_ref

    async def _verified(self, authorization: bytes) -> tuple[float, str] | None:
        try:
            bearer = await asyncio.to_thread(self._token_reader.read, authorization.decode("latin-1"))
        except Problem:
            return None
        if bearer.person_ref is None or not bearer.is_person(bearer.person_ref):
            return None
        if len(self._known) >= _REMEMBERED_MAX:
            self._known.clear()
        known = min(bearer.expires_at, time.time() + _REMEMBERED_S), str(bearer.person_ref)
        self._known[authorization] = known
        return known


def _kind_of(message: Message) -> PassKind | None:
    """Which pass a whole, plain body asks for."""
    body = message.get("body", b"")
    if message["type"] != "http.request" or message.get("more_body", False) or len(body) > _BODY_BYTES_MAX:
        return None
    return _KINDS.get(body) or _KINDS.get(body.translate(None, b" \t\r\n"))


def _again(message: Message, receive: Receive) -> Receive:
    """What was taken is handed out once more, and then what follows."""
    taken = [message]

    async def receive_again() -> Message:
        return taken.pop() if taken else await receive()

    return receive_again


async def _send(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})
