"""Requests that are answered on their connection, without a task and a scope of their own.

What ASGI needs for a request (a task, a queue of messages each way, an event) costs as much as a short request's work.
An application that has a method `directly` (`AnswersDirectly`) is first asked whether it takes a small POST so: with
its headers and whole body, and a function to call with the answer, at once or when something else is done. Whatever it
does not take, and whatever is unusual about a request (large, chunked, in parts of a pipeline, HTTP/1.0, `Expect`),
goes the usual way; so an application must answer the same in both.

A gate sends the same head with every scan but for the length of its body. What a head says is a function of its bytes,
so heads of direct requests are remembered with what they say, and one that comes again is not parsed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

log = structlog.get_logger("direct")

BODY_BYTES_MAX = 16_384
_HEAD_BYTES_MAX, _HEADERS_MAX, _HEADS_MAX = 2_048, 32, 5_000
_HEAD_END = b"\r\n\r\n"

Headers = Mapping[bytes, bytes]
"""Names in small letters."""


class Respond(Protocol):
    def __call__(
        self, status: int, body: bytes, media_type: str = ..., headers: Mapping[str, str] | None = ...
    ) -> None:
        """To be called once, from the event loop's thread."""


Take = Callable[[bytes, Respond], None]
"""Called with the body; it must not raise."""


class AnswersDirectly(Protocol):
    def directly(self, target: bytes, headers: Headers) -> Take | None:
        """None for a request that is to go the usual way."""


class _Head(NamedTuple):
    """What the head of a direct request says; the connection stays open after it. `size` is that of the body."""

    target: bytes
    headers: Headers
    size: int


class _KnownHeads:
    """By all of their bytes, as they came at the beginning of a message; those that came lately."""

    def __init__(self) -> None:
        self._young: dict[bytes, _Head] = {}
        self._old: dict[bytes, _Head] = {}

    def get(self, raw: bytes) -> _Head | None:
        head = self._young.get(raw)
        if head is None and (head := self._old.get(raw)) is not None:
            self.put(raw, head)
        return head

    def put(self, raw: bytes, head: _Head) -> None:
        if len(self._young) >= _HEADS_MAX:
            self._old, self._young = self._young, {}
        self._young[raw] = head


class DirectConnection(HttpToolsProtocol):
    """One connection. A direct request stands where uvicorn has its cycle of request and response."""

    remembers_heads = True
    _is_between = True
    """No part of a message has come after the last whole one."""
    _head: _Head | None = None
    """Of the direct request whose head was parsed last."""
    _is_declined = False
    """The application was asked about the request at hand and does not take it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._directly: Callable[[bytes, Headers], Take | None] | None = getattr(self.app, "directly", None)
        self._heads: _KnownHeads = vars(self.server_state).setdefault("known_heads", _KnownHeads())

    def data_received(self, data: bytes) -> None:
        if not (self._is_between and self.remembers_heads and self.is_idle()):
            return super().data_received(data)
        found = data.find(_HEAD_END, 0, _HEAD_BYTES_MAX)
        if found < 0:
            return super().data_received(data)
        end = found + len(_HEAD_END)
        head = self._heads.get(data[:end])
        if head is not None and len(data) == end + head.size and self._take_known(head, data[end:]):
            return None
        self._head = None
        super().data_received(data)
        if self._head is not None and self._is_between and len(data) == end + self._head.size:
            self._heads.put(data[:end], self._head)  # all of it was whole, so it was one message, and this its head
        return None

    def _take_known(self, head: _Head, body: bytes) -> bool:
        take = None if self._directly is None or self.flow.write_paused else self._directly(head.target, head.headers)
        if take is None:
            self._is_declined = True
            return False
        self._unset_keepalive_if_required()
        request = _Request(self, take, keep_alive=True)
        request.body, request.more_body = body, False
        self.cycle = request  # type: ignore[assignment]
        request.be_taken()
        return True

    def on_message_begin(self) -> None:
        """What is known before the headers are; the scope is made when a request goes the usual way."""
        self._is_between = False
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        take = self._take()
        if take is None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += headers
            super().on_headers_complete()
        else:
            self.cycle = _Request(self, take, self.parser.should_keep_alive())  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        self._is_between = True
        super().on_message_complete()
        request: object = self.cycle
        if type(request) is _Request:
            request.be_taken()

    def is_idle(self) -> bool:
        """No request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _take(self) -> Take | None:
        if self._is_declined:
            self._is_declined = False
            return None
        if self._directly is None or self.parser.get_method() != b"POST" or not self.is_idle():
            return None
        if self.expect_100_continue or self.flow.write_paused or self.parser.should_upgrade():
            return None
        headers = dict(self.headers)
        size = headers.get(b"content-length", b"")
        if not size.isdigit() or int(size) > BODY_BYTES_MAX or self.parser.get_http_version() != "1.1":
            return None
        take = self._directly(self.url, headers)
        if take is not None and len(self.headers) <= _HEADERS_MAX and self.parser.should_keep_alive():
            self._head = _Head(self.url, headers, int(size))
        return take


class _Request:
    """What the connection asks of a cycle, and the answer."""

    __slots__ = (
        "_connection",
        "_take",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "response_started",
    )

    def __init__(self, connection: DirectConnection, take: Take, keep_alive: bool) -> None:
        self._connection, self._take, self.keep_alive = connection, take, keep_alive
        self.body: bytes = b""
        self.more_body = True
        self.disconnected = self.response_started = self.response_complete = False
        self.message_event = _NOBODY_WAITS

    def be_taken(self) -> None:
        try:
            self._take(bytes(self.body), self.respond)
        except Exception as error:
            log.error("a direct request failed", error=type(error).__name__, exc_info=error)
            if not self.response_complete:
                self.keep_alive = False
                self.respond(500, b"Internal Server Error", "text/plain; charset=utf-8")

    def respond(
        self,
        status: int,
        body: bytes,
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if self.response_complete:
            raise RuntimeError("this request has its answer")
        self.response_started = self.response_complete = True
        connection = self._connection
        if self.disconnected or connection.transport.is_closing():
            return
        parts = [STATUS_LINE[status]]
        for name, value in connection.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for given, told in (headers or {}).items():
            parts.append(f"{given.lower()}: {told}\r\n".encode("latin-1"))
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(f"content-type: {media_type}\r\ncontent-length: {len(body)}\r\n\r\n".encode("latin-1"))
        parts.append(body)
        connection.transport.write(b"".join(parts))
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()


class _NobodyWaits:
    """In place of the event that wakes an application which waits for more of a body."""

    def set(self) -> None:
        return None


_NOBODY_WAITS = _NobodyWaits()
