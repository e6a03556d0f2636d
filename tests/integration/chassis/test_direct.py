"""Requests answered on their connection: the same to who asks, whatever way they took."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.app import server
from chassis.direct import BODY_BYTES_MAX, DirectConnection, Headers, Respond, Take
from tests.serving import serving

SLOW_S = 0.6


class Echo:
    """Says which way a request took. `/slow` is answered later, `/fails` never, `/usual` is not taken directly."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        said = b"usual:" + scope["path"].encode() + b":" + body[:20]
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    def directly(self, target: bytes, headers: Headers) -> Take | None:
        if target == b"/usual":
            return None

        def take(body: bytes, respond: Respond) -> None:
            if target == b"/fails":
                raise ValueError("a test's own")
            said = b"direct:" + target + b":" + body[:20]
            if target == b"/slow":
                asyncio.get_running_loop().call_later(SLOW_S, respond, 200, said, "text/plain")
            else:
                respond(201, said, "text/plain", {"Retry-After": "7"})

        return take


@pytest.fixture
def running() -> Iterator[uvicorn.Server]:
    started = server(Echo(), host="127.0.0.1", port=0)
    with serving(started):
        yield started


class Caller:
    def __init__(self, running: uvicorn.Server) -> None:
        self.socket = socket.create_connection(running.servers[0].sockets[0].getsockname(), timeout=20)
        self._read = b""

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of the next answer."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        status, size = int(first.split(" ")[1]), int(headers.get("content-length", 0))
        while len(self._read) < size:
            self._more()
        body, self._read = self._read[:size], self._read[size:]
        return status, headers, body

    def has_ended(self) -> bool:
        return not self._read and self.socket.recv(1) == b""

    def _more(self) -> None:
        part = self.socket.recv(65_536)
        assert part, f"closed after {self._read!r}"
        self._read += part


@pytest.fixture
def caller(running: uvicorn.Server) -> Iterator[Caller]:
    opened = Caller(running)
    yield opened
    opened.socket.close()


def post(target: str, body: bytes = b"hello", *more: str, version: str = "1.1") -> bytes:
    lines = [f"POST {target} HTTP/{version}", "Host: test", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_a_request_is_answered_on_its_connection_and_the_next_one_too(caller: Caller) -> None:
    for word in (b"one", b"two"):
        caller.send(post("/at-once", word))
        status, headers, body = caller.answer()
        assert (status, body) == (201, b"direct:/at-once:" + word)
        assert (headers["content-type"], headers["retry-after"]) == ("text/plain", "7")
        assert "date" in headers
        assert "connection" not in headers


def test_a_body_may_come_in_parts(caller: Caller) -> None:
    raw = post("/at-once", b"in three parts")
    for part in (raw[:30], raw[30:-5], raw[-5:]):
        caller.send(part)
        time.sleep(0.05)
    assert caller.answer()[2] == b"direct:/at-once:in three parts"


def test_a_plain_head_with_its_whole_body_is_not_parsed(
    running: uvicorn.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where each request has a header of its own, as callers that trace or count their requests send."""
    parsed: list[bytes] = []
    on_url = DirectConnection.on_url
    monkeypatch.setattr(DirectConnection, "on_url", lambda self, url: parsed.append(url) or on_url(self, url))
    caller = Caller(running)
    for number in range(3):
        caller.send(post("/at-once", b"one", f"X-Vegeta-Seq: {number}"))
        assert caller.answer()[2] == b"direct:/at-once:one"
    assert not parsed
    caller.send(post("/at-once", b"four", "X-Gate:1"))
    assert caller.answer()[2] == b"direct:/at-once:four"
    assert parsed == [b"/at-once"]
    caller.socket.close()


def test_after_a_known_head_everything_else_is_still_understood(caller: Caller) -> None:
    """Parts, pipelines, a request that was begun and not ended: only a whole message alone is taken by its head."""
    raw = post("/at-once", b"again")
    for _ in range(2):
        caller.send(raw)
        assert caller.answer()[2] == b"direct:/at-once:again"
    for part in (raw[:10], raw[10:-2], raw[-2:]):
        caller.send(part)
        time.sleep(0.05)
    assert caller.answer()[2] == b"direct:/at-once:again"
    caller.send(raw + raw + post("/usual", b"3"))
    assert [caller.answer()[2] for _ in range(3)] == [b"direct:/at-once:again"] * 2 + [b"usual:/usual:3"]
    caller.send(raw[:-2])
    time.sleep(0.05)
    caller.send(raw[-2:] + raw)
    assert [caller.answer()[2] for _ in range(2)] == [b"direct:/at-once:again"] * 2
    begun = post("/at-once", raw)
    caller.send(begun[: -len(raw)])
    time.sleep(0.05)
    caller.send(raw)
    assert caller.answer()[2] == b"direct:/at-once:" + raw[:20]


_REQUESTS = {
    b"/at-once:hello": post("/at-once"),
    b"/at-once:other": post("/at-once", b"other"),
    b"/at-once:longer": post("/at-once", b"longer"),
    b"/at-once:" + b"POST / HTTP/1.1\r\n\r\n"[:20]: post("/at-once", b"POST / HTTP/1.1\r\n\r\n"),
    b"/usual:hello": post("/usual"),
    b"/at-once:": b"GET /at-once HTTP/1.1\r\nHost: test\r\n\r\n",
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(_REQUESTS)), min_size=1, max_size=8), st.lists(st.integers(1, 400), max_size=20))
def test_however_requests_are_cut_each_gets_its_answer_in_its_order(
    running: uvicorn.Server, expected: list[bytes], sizes: list[int]
) -> None:
    raw, caller = b"".join(_REQUESTS[said] for said in expected), Caller(running)
    caller.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for size in sizes:
        caller.send(raw[:size])
        raw = raw[size:]
    caller.send(raw)
    assert [caller.answer()[2].partition(b":")[2] for _ in expected] == expected
    caller.socket.close()


_TOO_LONG = "X-Long: " + "l" * 5000


def test_a_head_too_long_to_be_remembered_teaches_nothing_to_others(caller: Caller, running: uvicorn.Server) -> None:
    """Its end lies beyond what is looked through; half a message must not be remembered by its first bytes."""
    caller.send(post("/at-once", b"b" * 7997, _TOO_LONG)[:8000])
    time.sleep(0.1)
    other = Caller(running)
    body = b"o" * (8000 - len(post("/usual", b"o" * 2000, _TOO_LONG)) + 2000)
    assert len(post("/usual", body, _TOO_LONG)) == 8000
    other.send(post("/usual", body, _TOO_LONG))
    assert other.answer()[2] == b"usual:/usual:" + b"o" * 20
    other.socket.close()


def test_lines_before_a_head_are_no_head(caller: Caller, running: uvicorn.Server) -> None:
    head = post("/at-once", b"x" * 200)[:-200]
    caller.send(b"\r\n\r\n" + head + b"x" * (200 - len(head)))
    time.sleep(0.1)
    other = Caller(running)
    other.send(b"\r\n\r\n" + post("/usual", b"m" * (200 - len(post("/usual", b"m" * 100)) + 100)))
    assert other.answer()[2] == b"usual:/usual:" + b"m" * 20
    other.socket.close()


def test_the_first_of_two_is_not_remembered_with_what_the_second_says(caller: Caller, running: uvicorn.Server) -> None:
    first, second = post("/at-once", b"1" * 50), post("/at-once", b"2" * 300, "X-Caller: two")
    caller.send((first + second)[: len(first) - 50 + 300])
    time.sleep(0.1)
    other, head = Caller(running), first[:-50]
    filled = b"GET /usual HTTP/1.1\r\nHost: test\r\nX-Fill: "
    filled += b"f" * (250 - len(filled) - 4) + b"\r\n\r\n"
    other.send(head + b"3" * 50 + filled)
    assert [other.answer()[2] for _ in range(2)] == [b"direct:/at-once:" + b"3" * 20, b"usual:/usual:"]
    other.socket.close()


def test_a_request_that_is_declined_this_time_goes_the_usual_way_and_is_taken_the_next(
    running: uvicorn.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection takes the application's method when it is opened, so it is opened after the change."""
    asked: list[bytes] = []
    directly = Echo.directly

    def sometimes(self: Echo, target: bytes, headers: Headers) -> Take | None:
        asked.append(target)
        return None if len(asked) == 2 else directly(self, target, headers)

    monkeypatch.setattr(Echo, "directly", sometimes)
    caller = Caller(running)
    for way in (b"direct", b"usual", b"direct"):
        caller.send(post("/at-once", b"hello", "X-Gate: 2"))
        assert caller.answer()[2] == way + b":/at-once:hello"
    caller.socket.close()
    assert len(asked) == 3, "it is asked once for each request"


def test_a_process_that_ends_answers_a_known_head_too(caller: Caller, running: uvicorn.Server) -> None:
    for _ in range(2):
        caller.send(post("/slow", b"known"))
        assert caller.answer()[0] == 200
    caller.send(post("/slow", b"known"))
    time.sleep(SLOW_S / 10)
    running.should_exit = True
    status, headers, body = caller.answer()
    assert (status, headers["connection"], body) == (200, "close", b"direct:/slow:known")
    assert caller.has_ended()


def test_what_the_application_does_not_take_goes_the_usual_way(caller: Caller) -> None:
    caller.send(post("/usual"))
    assert caller.answer()[2] == b"usual:/usual:hello"
    caller.send(b"GET /at-once HTTP/1.1\r\nHost: test\r\n\r\n")
    assert caller.answer()[2] == b"usual:/at-once:"


@pytest.mark.parametrize(
    "raw",
    {
        "large": post("/x", b"l" * (BODY_BYTES_MAX + 1)),
        "chunked": b"POST /x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "old": post("/x", b"hello", version="1.0"),
        "no length": b"POST /x HTTP/1.1\r\nHost: t\r\n\r\n",
    }.values(),
    ids=["large", "chunked", "old", "no length"],
)
def test_what_is_unusual_goes_the_usual_way(caller: Caller, raw: bytes) -> None:
    caller.send(raw)
    status, _, body = caller.answer()
    assert (status, body.startswith(b"usual:/x:")) == (200, True)


def test_who_waits_to_be_told_to_go_on_is_told(caller: Caller) -> None:
    raw = post("/x", b"hello", "Expect: 100-continue")
    caller.send(raw[:-5])
    assert caller.socket.recv(4096).startswith(b"HTTP/1.1 100")
    caller.send(raw[-5:])
    assert caller.answer()[2] == b"usual:/x:hello"


def test_requests_sent_without_waiting_are_answered_in_their_order(caller: Caller) -> None:
    caller.send(post("/slow", b"1") + post("/at-once", b"2") + post("/usual", b"3") + post("/at-once", b"4"))
    said = [caller.answer()[2].split(b":", 1)[1] for _ in range(4)]
    assert said == [b"/slow:1", b"/at-once:2", b"/usual:3", b"/at-once:4"]


def test_an_answer_that_comes_later_than_its_caller_stays_harms_nobody(caller: Caller, running: uvicorn.Server) -> None:
    gone = Caller(running)
    gone.send(post("/slow"))
    gone.socket.close()
    time.sleep(SLOW_S + 0.2)
    caller.send(post("/slow", b"still here"))
    assert caller.answer()[2] == b"direct:/slow:still here"


def test_a_request_that_fails_is_answered_and_its_connection_closed(caller: Caller) -> None:
    caller.send(post("/fails"))
    status, headers, _ = caller.answer()
    assert (status, headers["connection"]) == (500, "close")
    assert caller.has_ended()


def test_who_asks_for_the_end_of_the_connection_gets_it(caller: Caller) -> None:
    caller.send(post("/at-once", b"last", "Connection: close"))
    status, headers, body = caller.answer()
    assert (status, headers["connection"], body) == (201, "close", b"direct:/at-once:last")
    assert caller.has_ended()


def test_a_process_that_ends_answers_what_is_under_way(caller: Caller, running: uvicorn.Server) -> None:
    caller.send(post("/slow", b"under way"))
    time.sleep(SLOW_S / 10)
    running.should_exit = True
    status, headers, body = caller.answer()
    assert (status, headers["connection"], body) == (200, "close", b"direct:/slow:under way")
    assert caller.has_ended()


def test_what_is_no_http_is_refused(caller: Caller) -> None:
    caller.send(b"POST /at-once HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")
    assert caller.answer()[0] == 400
    assert caller.has_ended()
