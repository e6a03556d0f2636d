"""Requests that are answered on their connection, without a task and a scope of their own.

What ASGI needs for a request (a task, a queue of messages each way, an event) costs as much as a short request's work.
An application that has a method `directly` (`AnswersDirectly`) is first asked whether it takes a small POST so: with
its headers and whole body, and a function to call with the answer, at once or when something else is done. Whatever it
does not take, and whatever is unusual about a request (large, chunked, HTTP/1.0, `Expect`),
goes the usual way; so an application must answer the same in both.

A plain head (plain_heads.py) that comes together with the whole of its body is not parsed at all.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import TimerHandle
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httptools
import structlog
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chassis.doors import DEFAULT_LIMITS, Doors, Limits, refused, too_many_connections, too_slow
from chassis.framing import Framing, malformed
from chassis.plain_heads import BODY_BYTES_MAX, BYTES_MAX, END, Headers, PlainHead, PlainHeads
from chassis.problems import Problem

log = structlog.get_logger("direct")

LINGER_S = 2.0
"""How long the caller has to close its side."""
_DRAINED_BYTES_MAX = 4 * 1024 * 1024
_LET_GO_BYTES_MAX = 256 * 1024
_STEPS_AT_ONCE = 8
_CLOSED_AT_ONCE = 64


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


class DirectConnection(HttpToolsProtocol):
    """One connection. A direct request stands where uvicorn has its cycle of request and response.

    What comes is cut into messages here (framing.py), and the parser gets the next one when the one before has its
    answer; the rest waits, and so does the caller (`_Flow`).
    """

    reads_plain_heads = True
    _is_between = True
    """No part of a message has come after the last whole one, and more will be taken."""
    _is_declined = False
    """The application was asked about the request at hand and does not take it."""
    _rest = b""
    """What has come and was not looked at yet."""
    _is_parsing = False
    """The parser is within a message."""
    _has_head = False
    """The parser has the head of the message at hand: a header that still comes is a trailer."""
    _is_advancing = _is_going_on = _is_left = False
    _door: str | None = None
    """The address that this connection is counted under."""
    _wait: TimerHandle | None = None
    """What ends the wait for the rest of a head or of a body."""
    _waits_for_head = False
    _bytes_since = 0
    """Of a body that is awaited, since its pace was looked at."""
    _body_waited_s = 0.0
    """How long a body has been awaited; what it waits for us does not count."""
    _drained = 0
    flow: _Flow

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._directly: Callable[[bytes, Headers], Take | None] | None = getattr(self.app, "directly", None)
        shared = vars(self.server_state)
        self._plain_heads: PlainHeads = shared.setdefault("plain_heads", PlainHeads())
        self._limits: Limits = getattr(self.config, "limits", DEFAULT_LIMITS)
        self._doors: Doors = shared.setdefault("doors", Doors())
        self._framing = Framing(self._limits.framing)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._door = self._limits.door_of(self.client[0]) if self.client else None
        if self._doors.enter(self._door) > self._limits.connections_per_address_max:
            self._write_problem(too_many_connections())
            self._is_left, self._is_between = True, False
            transport.close()
            return
        self._wait_for_the_next()
        if len(self.connections) > self._limits.connections_max:
            self._close_longest_idle()

    def _close_longest_idle(self) -> None:
        """A process that has no file left could not even refuse: the next caller would hang."""
        idle = [
            (since, number, each)
            for number, each in enumerate(self.connections)
            if isinstance(each, DirectConnection) and each is not self and (since := each._idle_until()) is not None
        ]
        for _, _, each in heapq.nsmallest(_CLOSED_AT_ONCE, idle):
            each.leave()

    def _idle_until(self) -> float | None:
        """When this connection would be closed for being idle; None where something of a request has come."""
        if self.timeout_keep_alive_task is None or not self.is_idle() or self._is_left:
            return None
        return self.timeout_keep_alive_task.when()

    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.leave(self._door)
        self._end_wait()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_between and self.reads_plain_heads and self.is_idle():
            end = data.find(END, 0, BYTES_MAX) + len(END)
            head = self._plain_heads.read(data[:end])
            if head is not None and len(data) == end + head.size and self._take_plain(head, data[end:]):
                return None
        if self._is_left:
            return self._drain(len(data))
        self._unset_keepalive_if_required()
        self._is_between = False
        if self._framing.is_in_body:
            self._bytes_since += len(data)
        self._rest = self._rest + data if self._rest else data
        return self._advance()

    def _take_plain(self, head: PlainHead, body: bytes) -> bool:
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

    # -- from what came to messages ------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Some steps; the event loop has a turn before the next."""
        self._is_advancing = True
        try:
            for _ in range(_STEPS_AT_ONCE):
                if not (self._rest and self._can_go_on()):
                    break
                piece, used = self._framing.step(self._rest)
                self._rest = self._rest[used:]
                if piece:
                    self._parse(piece)
        except Problem as problem:
            self._refuse(problem)
        finally:
            self._is_advancing = False
        if not self._is_left:
            self._settle()

    def _can_go_on(self) -> bool:
        """A request waits until the one before has its answer."""
        return not self._is_left and not self.transport.is_closing() and (self._framing.is_in_body or self.is_idle())

    def _parse(self, piece: bytes) -> None:
        """The parser must find the end of a message where the framing does; else one of both was deceived."""
        try:
            self.parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise malformed("its parts contradict each other") from None
        if self._is_parsing is not self._framing.is_in_body:
            raise malformed("it does not end where its head says")

    def _settle(self) -> None:
        """After what could be done was done: wait for more, or for the answer, or go on in a moment."""
        if self._rest:
            self.flow.hold()
            if self._can_go_on():
                self._go_on_soon()
        else:
            self.flow.let_go()
        self._is_between = not self._rest and not self._framing.has_begun_head and not self._framing.is_in_body
        if self._framing.is_in_body:
            self._wait_for_the_body()
        elif self._framing.has_begun_head:
            self._wait_for_the_head()
        else:
            self._end_wait()
            self._wait_for_the_next()

    def _go_on_soon(self) -> None:
        if not self._is_going_on:
            self._is_going_on = True
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_going_on = False
        if self._can_go_on():
            self._unset_keepalive_if_required()
            self._advance()

    # -- what is waited for, and how long ------------------------------------------------------------------------------

    def _wait_for_the_next(self) -> None:
        """An idle connection without a clock would stay for ever."""
        if self.is_idle() and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _wait_for_the_head(self) -> None:
        if self._wait is None:
            self._waits_for_head = True
            self._wait = self.loop.call_later(self._limits.head_s, self._refuse, too_slow("head"))

    def _wait_for_the_body(self) -> None:
        if self._waits_for_head:
            self._end_wait()
        if self._wait is None:
            self._bytes_since, self._body_waited_s = 0, self._limits.body_grace_s
            self._wait = self.loop.call_later(self._limits.body_grace_s, self._look_at_pace)

    def _look_at_pace(self) -> None:
        waits_for_us = self.flow.read_paused or getattr(self.cycle, "waiting_for_100_continue", False)
        is_slow = self._bytes_since < self._limits.body_bytes_per_s_min * self._limits.body_look_s
        if not waits_for_us and (is_slow or self._body_waited_s >= self._limits.body_s):
            return self._refuse(too_slow("body"))
        self._bytes_since = 0
        self._body_waited_s += 0.0 if waits_for_us else self._limits.body_look_s
        self._wait = self.loop.call_later(self._limits.body_look_s, self._look_at_pace)
        return None

    def _end_wait(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait, self._waits_for_head = None, False

    # -- an end from our side ------------------------------------------------------------------------------------------

    def _refuse(self, problem: Problem) -> None:
        """Nothing of this connection is understood from here on. A request is answered once."""
        refused.add(1, {"code": problem.code})
        is_under_way = self._is_parsing and self._has_head
        if is_under_way and self.is_idle():
            return self.leave()
        if not self.is_idle():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                return self.transport.close()
        self._write_problem(problem)
        return self.leave()

    def _write_problem(self, problem: Problem) -> None:
        answer = problem.response()
        lines = [STATUS_LINE[problem.status]]
        lines += [b"%s: %s\r\n" % each for each in (*self.server_state.default_headers, *answer.raw_headers)]
        self.transport.write(b"".join([*lines, b"connection: close\r\n\r\n", bytes(answer.body)]))

    def leave(self) -> None:
        """Close our side, and read on without taking anything until the caller closes too: no answer is cut off."""
        if self.transport.is_closing() or self._is_left:
            return
        self._is_left, self._is_between, self._rest = True, False, b""
        self._end_wait()
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.let_go()
            self.flow.resume_reading()
            self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()

    def _drain(self, size: int) -> None:
        self._drained += size
        if self._drained > _DRAINED_BYTES_MAX:
            self.flow.pause_reading()

    # -- the parser's calls --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """What is known before the headers are; the scope is made when a request goes the usual way."""
        self._is_parsing, self._has_head = True, False
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are not taken: they would stand among the headers, after these were judged."""
        if not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        take = self._take()
        if take is None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += headers
            super().on_headers_complete()
            if not self._is_let_go_by():
                self._be_ready_to_leave()
        else:
            self.cycle = _Request(self, take, self.parser.should_keep_alive())  # type: ignore[assignment]
        self._has_head = True

    def on_message_complete(self) -> None:
        self._is_parsing = False
        super().on_message_complete()
        request: object = self.cycle
        if type(request) is _Request:
            request.be_taken()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_between and not self._is_advancing:
            self._go_on_after_answer()

    def _go_on_after_answer(self) -> None:
        if not self._is_let_go_by():
            return self.leave()
        if self._rest:
            self._go_on_soon()
        return None

    def _is_let_go_by(self) -> bool:
        """If nobody reads the rest of the body: a small one is; a large one, or one that may not come, ends it all."""
        if not self._framing.is_in_body:
            return True
        left = self._framing.body_left
        return left is not None and left <= _LET_GO_BYTES_MAX and not self.expect_100_continue

    def _be_ready_to_leave(self) -> None:
        """An answer that comes before the whole body says that it is the last, and then nothing is cut off."""
        cycle = self.cycle
        send = cycle.send

        async def told(message: Any) -> None:
            if message["type"] == "http.response.start" and not self._is_let_go_by():
                cycle.keep_alive = False
            await send(message)

        cycle.send = told  # type: ignore[method-assign]
        cycle.transport = _Lingering(self)  # type: ignore[assignment]

    def is_idle(self) -> bool:
        """No request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _take(self) -> Take | None:
        if self._is_declined:
            self._is_declined = False
            return None
        if self._directly is None or self.parser.get_method() != b"POST":
            return None
        if self.expect_100_continue or self.flow.write_paused:
            return None
        headers = dict(self.headers)
        size = headers.get(b"content-length", b"")
        if not size.isdigit() or int(size) > BODY_BYTES_MAX or self.parser.get_http_version() != "1.1":
            return None
        return self._directly(self.url, headers)


class _Lingering:
    """The transport of a cycle that is closed as `leave` does."""

    def __init__(self, connection: DirectConnection) -> None:
        self.write, self.is_closing = connection.transport.write, connection.transport.is_closing
        self.close = connection.leave


class _Flow(FlowControl):
    """Reading is also held while something that has come waits to be looked at, whatever the application asks for."""

    _is_held = False
    _is_wanted = True

    def hold(self) -> None:
        if not self._is_held:
            self._is_held, self._is_wanted = True, not self.read_paused
            super().pause_reading()

    def let_go(self) -> None:
        if self._is_held:
            self._is_held = False
            if self._is_wanted:
                super().resume_reading()

    def pause_reading(self) -> None:
        self._is_wanted = False
        super().pause_reading()

    def resume_reading(self) -> None:
        self._is_wanted = True
        if not self._is_held:
            super().resume_reading()


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
