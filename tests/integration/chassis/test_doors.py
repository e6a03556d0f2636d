"""Heads, bodies and connections that are too large, too slow, too many or no HTTP: refused at once, and cheaply."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import psutil
import pytest
import uvicorn

from chassis.app import server
from chassis.direct import Headers, Take
from chassis.doors import DEFAULT_LIMITS, Limits
from tests.integration.chassis.test_direct import Caller, Echo, post
from tests.serving import serving

QUICK = replace(DEFAULT_LIMITS, head_s=0.5, body_grace_s=0.5, body_look_s=0.3, body_bytes_per_s_min=100)
WAYS = ("/at-once", "/usual")


class Hasty(Echo):
    """`/early` is answered before its body has come, `/named` with what `Authorization` says after the body has."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or scope["path"] not in ("/early", "/named"):
            return await super().__call__(scope, receive, send)
        if scope["path"] == "/named":
            while (await receive()).get("more_body", False):
                pass
        said = dict(scope["headers"]).get(b"authorization", b"nobody")
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})
        return None

    def directly(self, target: bytes, headers: Headers) -> Take | None:
        return None if target in (b"/early", b"/named") else super().directly(target, headers)


@pytest.fixture(scope="module")
def running() -> Iterator[uvicorn.Server]:
    started = server(Hasty(), host="127.0.0.1", port=0)
    with serving(started):
        yield started


@pytest.fixture
def caller(running: uvicorn.Server) -> Iterator[Caller]:
    opened = Caller(running)
    opened.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    yield opened
    opened.socket.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Limits], uvicorn.Server]]:
    with contextlib.ExitStack() as stack:

        def started(limits: Limits) -> uvicorn.Server:
            made = server(Echo(), host="127.0.0.1", port=0, limits=limits)
            stack.enter_context(serving(made))
            return made

        yield started


def refusal(caller: Caller) -> tuple[int, str]:
    """(status, code) of a refusal after which the connection is closed."""
    status, headers, body = caller.answer()
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    problem = json.loads(body)
    assert problem["status"] == status
    assert caller.has_ended()
    return status, problem["code"]


def chunked(target: str, body: bytes, *more: str) -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: test", "Transfer-Encoding: chunked", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def filled(size: int, target: str = "/usual") -> bytes:
    """A head of so many bytes, in headers of at most 8,000."""
    lines, bare = [], len(post(target, b""))
    while bare < size:
        length = min(size - bare, 8_000)
        length -= 0 < size - bare - length < 12 and 12
        lines.append("X: " + "x" * (length - 5))
        bare += length
    raw = post(target, b"", *lines)
    assert len(raw) == size
    return raw


# -- how large ---------------------------------------------------------------------------------------------------------


def test_a_head_of_32_kib_and_100_headers_is_taken(caller: Caller) -> None:
    caller.send(filled(32_768))
    assert caller.answer()[0] == 200
    caller.send(post("/usual", b"", *[f"X-{n}: 1" for n in range(98)]))
    assert caller.answer()[0] == 200


TOO_LARGE = {
    "one byte more": filled(32_769),
    "one header more": post("/at-once", b"", *[f"X-{n}: 1" for n in range(99)]),
    "many headers, and no end": post("/at-once", b"", *[f"X-{n}: 1" for n in range(150)])[:-10],
    "a header without an end": b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 40_000,
    "a name without an end": b"GET / HTTP/1.1\r\nHost: test\r\n" + b"x" * 40_000,
    "a line without an end": b"GET /" + b"x" * 40_000,
    "a method without an end": b"G" * 40_000,
    "empty lines": b"\r\n" * 2_000,
    "trailers": chunked("/usual", b"1\r\nx\r\n0\r\n" + b"X: 1\r\n" * 101 + b"\r\n"),
    "a trailer without an end": chunked("/usual", b"1\r\nx\r\n0\r\nX: " + b"x" * 40_000),
    "a chunk's extension": chunked("/usual", b"1;" + b"x" * 40_000),
    "chunks' extensions": chunked("/usual", (b"1;" + b"x" * 1_000 + b"\r\nx\r\n") * 40),
}


@pytest.mark.parametrize("raw", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_head_that_is_too_large_is_refused_before_its_end(caller: Caller, raw: bytes) -> None:
    caller.send(raw)
    assert refusal(caller) == (431, "head_too_large")


def test_the_head_behind_another_request_is_bounded_too(caller: Caller) -> None:
    caller.send(post("/at-once", b"one") + b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 40_000)
    assert caller.answer()[2] == b"direct:/at-once:one"
    assert refusal(caller) == (431, "head_too_large")


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nX: ", b"GET /", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"[:-2]])
def test_a_head_of_200_mb_costs_less_than_50_ms(caller: Caller, begun: bytes) -> None:
    """This process serves and calls; what the caller's thread uses is taken off."""
    part, process = b"x" * 262_144, psutil.Process()
    before, own_before = sum(process.cpu_times()[:2]), time.thread_time()
    with contextlib.suppress(OSError):
        caller.send(begun)
        for _ in range(800):
            caller.send(part)
    used = sum(process.cpu_times()[:2]) - before - (time.thread_time() - own_before)
    assert used < 0.05
    assert caller.answer()[0] == 431


# -- how slowly --------------------------------------------------------------------------------------------------------


def test_a_head_that_does_not_end_in_time_is_refused(serve: Callable[[Limits], uvicorn.Server]) -> None:
    """However its bytes come: each one more does not give it time."""
    slow = Caller(serve(QUICK))
    began = time.monotonic()
    with contextlib.suppress(OSError):
        for byte in b"GET / HTTP/1.1\r\nHost: test\r\n" + b"X" * 50:
            slow.send(bytes([byte]))
            time.sleep(0.02)
    assert refusal(slow) == (408, "request_timeout")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("target", WAYS)
@pytest.mark.parametrize("pace", [0, 1])
def test_a_body_below_the_pace_is_refused(serve: Callable[[Limits], uvicorn.Server], target: str, pace: int) -> None:
    slow = Caller(serve(QUICK))
    slow.send(post(target, b"b" * 500)[:-500])
    with contextlib.suppress(OSError):
        for _ in range(30 * pace):
            slow.send(b"b")
            time.sleep(0.05)
    assert refusal(slow) == (408, "request_timeout")


@pytest.mark.parametrize("target", WAYS)
def test_a_body_that_keeps_the_pace_is_taken(serve: Callable[[Limits], uvicorn.Server], target: str) -> None:
    steady, body = Caller(serve(QUICK)), b"b" * 600
    steady.send(post(target, body)[:-600])
    for start in range(0, 600, 20):
        steady.send(body[start : start + 20])
        time.sleep(0.05)
    assert steady.answer()[0] in (200, 201)


@pytest.mark.parametrize("target", WAYS)
def test_a_body_that_keeps_the_pace_and_never_ends_is_refused(
    serve: Callable[[Limits], uvicorn.Server], target: str
) -> None:
    """Else a few bytes a second would keep a megabyte in memory for half an hour."""
    endless = Caller(serve(replace(QUICK, body_s=1.0)))
    endless.send(post(target, b"b" * 16_000)[:-16_000])
    with contextlib.suppress(OSError):
        for _ in range(100):
            endless.send(b"b" * 20)
            time.sleep(0.05)
    assert refusal(endless) == (408, "request_timeout")


def test_an_idle_connection_is_closed_whether_it_ever_asked_or_not(serve: Callable[[Limits], uvicorn.Server]) -> None:
    started = serve(QUICK)
    started.config.timeout_keep_alive = 1
    silent = Caller(started)
    assert silent.has_ended()


def test_a_connection_may_wait_longer_between_two_requests_than_a_head_may_take(
    serve: Callable[[Limits], uvicorn.Server],
) -> None:
    kept = Caller(serve(QUICK))
    for target in (*WAYS, *WAYS):
        kept.send(post(target))
        assert kept.answer()[0] in (200, 201)
        time.sleep(0.8)


# -- who is answered before the body has come --------------------------------------------------------------------------


def test_a_small_body_that_nobody_reads_is_let_go_by(caller: Caller) -> None:
    caller.send(post("/early", b"b" * 1_000)[:-1_000])
    assert caller.answer()[0] == 200
    caller.send(b"b" * 1_000 + post("/at-once", b"next"))
    assert caller.answer()[2] == b"direct:/at-once:next"


@pytest.mark.parametrize(
    "raw",
    {
        "large": post("/early", b"").replace(b": 0", b": 9999999999"),
        "of unknown size": chunked("/early", b"5\r\nhello\r\n"),
        "one that may never come": post("/early", b"b" * 10, "Expect: 100-continue")[:-10],
    }.values(),
    ids=["large", "of unknown size", "one that may never come"],
)
def test_a_large_body_that_nobody_reads_ends_the_connection(caller: Caller, raw: bytes) -> None:
    """What comes then could be the body or the next request; so it is neither."""
    caller.send(raw)
    status, headers, _ = caller.answer()
    assert (status, headers["connection"]) == (200, "close")
    with contextlib.suppress(OSError):
        caller.send(post("/at-once", b"next"))
    assert caller.has_ended()


def test_a_header_behind_the_body_does_not_stand_among_the_headers(caller: Caller) -> None:
    caller.send(chunked("/named", b"3\r\nabc\r\n0\r\nAuthorization: Bearer late\r\n\r\n"))
    assert caller.answer()[2] == b"nobody"


# -- how many ----------------------------------------------------------------------------------------------------------


def test_connections_of_one_address_are_bounded_and_others_are_not_touched(
    serve: Callable[[Limits], uvicorn.Server],
) -> None:
    started = serve(replace(DEFAULT_LIMITS, connections_per_address_max=3))
    address = started.servers[0].sockets[0].getsockname()
    kept = [Caller(started) for _ in range(3)]
    for each in kept:
        each.send(post("/at-once"))
        assert each.answer()[0] == 201
    assert refusal(Caller(started)) == (429, "too_many_connections")
    other = socket.create_connection(address, timeout=20, source_address=("127.0.0.9", 0))
    other.sendall(post("/at-once"))
    assert other.recv(4096).startswith(b"HTTP/1.1 201")
    kept.pop().socket.close()
    deadline = time.monotonic() + 10
    while True:
        again = Caller(started)
        with contextlib.suppress(OSError):
            again.send(post("/at-once"))
        if again.answer()[0] == 201:
            break
        assert time.monotonic() < deadline


def test_where_a_process_can_hold_no_more_the_longest_idle_connections_make_room(
    serve: Callable[[Limits], uvicorn.Server],
) -> None:
    started = serve(replace(DEFAULT_LIMITS, connections_max=200))
    held = [Caller(started) for _ in range(200)]
    for each in held:
        each.send(post("/at-once"))
        assert each.answer()[0] == 201
    held[1].send(post("/at-once")[:-10])
    for _ in range(2):
        held[0].send(post("/at-once"))
        assert held[0].answer()[0] == 201
    newest = Caller(started)
    newest.send(post("/at-once"))
    assert newest.answer()[0] == 201
    deadline = time.monotonic() + 10
    while (ended := sum(map(_is_closed, held[2:]))) < 64:
        assert time.monotonic() < deadline
    assert ended == 64
    held[1].send(post("/at-once")[-10:])
    assert held[1].answer()[0] == 201, "a request that has begun is no idle connection"
    held[0].send(post("/at-once"))
    assert held[0].answer()[0] == 201


def _is_closed(caller: Caller) -> bool:
    readable, _, _ = select.select([caller.socket], [], [], 0)
    return bool(readable) and caller.socket.recv(1, socket.MSG_PEEK) == b""


def test_trusted_proxies_are_not_counted(serve: Callable[[Limits], uvicorn.Server]) -> None:
    proxies = (ip_network("127.0.0.0/8"),)
    started = serve(replace(DEFAULT_LIMITS, connections_per_address_max=1, trusted_proxies=proxies))
    for each in [Caller(started) for _ in range(5)]:
        each.send(post("/at-once"))
        assert each.answer()[0] == 201


# -- what is no HTTP ---------------------------------------------------------------------------------------------------

_CHUNK = b"5\r\nhello\r\n0\r\n\r\n"
_SMUGGLED = b"GET /hidden HTTP/1.1\r\nHost: test\r\n\r\n"
REFUSED = {
    "two bearers": (400, post("/at-once", b"", "Authorization: Bearer a", "Authorization: Bearer b")),
    "two bearers, the same": (400, post("/at-once", b"", "Authorization: Bearer a", "authorization: Bearer a")),
    "two hosts": (400, post("/at-once", b"", "Host: other")),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two lengths": (400, post("/at-once", b"hello", "Content-Length: 6")),
    "two lengths, the same": (400, post("/at-once", b"hello", "Content-Length: 5")),
    "a list of lengths": (400, post("/at-once", b"hello").replace(b": 5", b": 5, 5")),
    "a length with a sign": (400, post("/at-once", b"hello").replace(b": 5", b": +5")),
    "a negative length": (400, post("/at-once", b"hello").replace(b": 5", b": -5")),
    "a length in hexadecimal": (400, post("/at-once", b"hello").replace(b": 5", b": 0x5")),
    "an empty length": (400, post("/at-once", b"hello").replace(b": 5", b": ")),
    "a length beyond all": (400, post("/at-once", b"hello").replace(b": 5", b": " + b"9" * 40)),
    "length and coding": (400, post("/at-once", _CHUNK, "Transfer-Encoding: chunked") + _SMUGGLED),
    "coding and length": (400, chunked("/at-once", _CHUNK, "Content-Length: 5") + _SMUGGLED),
    "two codings": (400, chunked("/at-once", _CHUNK, "Transfer-Encoding: chunked")),
    "chunked, identity": (400, chunked("/at-once", _CHUNK).replace(b": chunked", b": chunked, identity")),
    "chunked, chunked": (400, chunked("/at-once", _CHUNK).replace(b": chunked", b": chunked, chunked")),
    "gzip, chunked": (501, chunked("/at-once", _CHUNK).replace(b": chunked", b": gzip, chunked")),
    "identity": (501, chunked("/at-once", _CHUNK).replace(b": chunked", b": identity")),
    "xchunked": (501, chunked("/at-once", _CHUNK).replace(b": chunked", b": xchunked")),
    "a coding behind a control character": (400, chunked("/at-once", _CHUNK).replace(b": chunked", b": \x0bchunked")),
    "a coding in HTTP/1.0": (400, chunked("/at-once", _CHUNK).replace(b"HTTP/1.1", b"HTTP/1.0")),
    "a folded header": (400, post("/at-once", b"hello", "X: one\r\n two")),
    "a folded length": (400, post("/at-once", b"hello").replace(b": 5", b":\r\n 5")),
    "a space before a colon": (400, post("/at-once", b"hello").replace(b"Length:", b"Length :")),
    "a space before the first header": (400, b"GET / HTTP/1.1\r\n Host: test\r\n\r\n"),
    "a header without a colon": (400, post("/at-once", b"hello", "X")),
    "a header without a name": (400, post("/at-once", b"hello", ": x")),
    "a NUL in a value": (400, post("/at-once", b"hello", "X: a\0b")),
    "a NUL in a name": (400, post("/at-once", b"hello", "X\0: a")),
    "a line end of LF": (400, post("/at-once", b"hello", "X: 1\nY: 2")),
    "only line ends of LF": (400, b"GET / HTTP/1.1\nHost: test\n\n"),
    "a line end of CR": (400, post("/at-once", b"hello", "X: 1\rY: 2")),
    "a target beyond ASCII": (400, "GET /é HTTP/1.1\r\nHost: test\r\n\r\n".encode()),
    "two spaces before the version": (400, b"GET /  HTTP/1.1\r\nHost: test\r\n\r\n"),
    "no version": (400, b"GET /\r\n\r\n"),
    "a version in small letters": (400, b"GET / http/1.1\r\nHost: test\r\n\r\n"),
    "another protocol": (400, b"GET / RTSP/1.0\r\nHost: test\r\n\r\n"),
    "HTTP/0.9": (505, b"GET / HTTP/0.9\r\nHost: test\r\n\r\n"),
    "HTTP/1.2": (505, b"GET / HTTP/1.2\r\nHost: test\r\n\r\n"),
    "HTTP/2.0": (505, b"GET / HTTP/2.0\r\nHost: test\r\n\r\n"),
    "HTTP/2 by prior knowledge": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a method that there is not": (400, b"SURPRISE / HTTP/1.1\r\nHost: test\r\n\r\n"),
    "TLS": (400, bytes.fromhex("16030100c8010000c40303") + b"\n" * 40),
    "a chunk without a size": (400, chunked("/at-once", b"\r\nhello\r\n0\r\n\r\n")),
    "a chunk's size with a sign": (400, chunked("/at-once", b"+5\r\nhello\r\n0\r\n\r\n")),
    "a chunk's size as in C": (400, chunked("/at-once", b"0x5\r\nhello\r\n0\r\n\r\n")),
    "a chunk's size beyond all": (400, chunked("/at-once", b"F" * 17 + b"\r\nhello")),
    "a chunk's line end of LF": (400, chunked("/at-once", b"5\nhello\r\n0\r\n\r\n")),
    "a chunk longer than it says": (400, chunked("/at-once", b"4\r\nhello\r\n0\r\n\r\n")),
    "a trailer that is folded": (400, chunked("/at-once", b"0\r\nX: 1\r\n 2\r\n\r\n")),
}


@pytest.mark.parametrize("target", WAYS)
@pytest.mark.parametrize("named", REFUSED)
@pytest.mark.parametrize("cut", [None, 7], ids=["whole", "in parts"])
def test_what_is_no_request_is_refused_and_nothing_behind_it_is_read(
    caller: Caller, named: str, target: str, cut: int | None
) -> None:
    status, raw = REFUSED[named]
    raw = raw.replace(b"/at-once", target.encode())
    with contextlib.suppress(OSError):
        for start in range(0, len(raw), cut or len(raw)):
            caller.send(raw[start : start + (cut or len(raw))])
            time.sleep(0.001 if cut else 0)
    assert refusal(caller)[0] == status


TAKEN = {
    "chunks": (chunked("/x", b"3\r\nabc\r\n2;name=value\r\nde\r\n0\r\n\r\n"), b"abcde"),
    "chunks with zeros": (chunked("/x", b"0003\r\nabc\r\n000\r\n\r\n"), b"abc"),
    "chunks with trailers": (chunked("/x", b"3\r\nabc\r\n0\r\nX: 1\r\nAuthorization: no\r\n\r\n"), b"abc"),
    "the coding in capitals": (chunked("/x", b"1\r\na\r\n0\r\n\r\n").replace(b"chunked", b"CHUNKED"), b"a"),
    "a length of zero": (post("/x", b""), b""),
    "a length with zeros": (post("/x", b"a").replace(b": 1", b": 001"), b"a"),
    "space around values": (post("/x", b"a").replace(b": 1", b":\t 1 \t"), b"a"),
    "letters beyond ASCII in a value": (post("/x", b"a", "X: é".encode().decode("latin-1")), b"a"),
    "empty lines before": (b"\r\n\r\n" + post("/x", b"a"), b"a"),
    "HTTP/1.0": (post("/x", b"a", version="1.0"), b"a"),
    "HTTP/1.0 without a host": (b"GET /x HTTP/1.0\r\n\r\n", b""),
}


@pytest.mark.parametrize("named", TAKEN)
def test_what_is_unusual_and_right_is_taken(caller: Caller, named: str) -> None:
    raw, body = TAKEN[named]
    caller.send(raw.replace(b"/x", b"/usual"))
    assert caller.answer()[0::2] == (200, b"usual:/usual:" + body)


# -- one behind the other ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", WAYS)
def test_thousands_of_requests_sent_at_once_are_answered_in_order(caller: Caller, target: str) -> None:
    bodies = [b"%d" % n for n in range(3_000)]
    caller.socket.settimeout(60)
    caller.send(b"".join(post(target, body) for body in bodies))
    for body in bodies:
        assert caller.answer()[2].endswith(b":" + body)


def test_requests_behind_one_that_waits_are_not_begun_and_not_read_without_end(
    caller: Caller, running: uvicorn.Server
) -> None:
    """The caller's own buffers fill up instead."""
    caller.send(post("/slow"))
    caller.socket.settimeout(0.3)
    raw, sent = post("/at-once", b"b" * 10_000) * 100, 0
    with contextlib.suppress(TimeoutError):
        while sent < 64_000_000:
            sent += caller.socket.send(raw)
    assert sent < 32_000_000
    assert len(running.server_state.tasks) == 0


def test_a_request_behind_chunks_is_the_next_one(caller: Caller) -> None:
    raw = chunked("/usual", b"3\r\nabc\r\n0\r\nX: 1\r\n\r\n") + post("/at-once", b"two")
    for parts in ([raw], [raw[:-30], raw[-30:]], [bytes([each]) for each in raw]):
        for part in parts:
            caller.send(part)
        assert caller.answer()[2] == b"usual:/usual:abc"
        assert caller.answer()[2] == b"direct:/at-once:two"


def test_a_body_of_chunks_of_one_byte_is_taken(caller: Caller) -> None:
    caller.send(chunked("/usual", b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n") + post("/at-once", b"next"))
    assert caller.answer()[0] == 200
    assert caller.answer()[2] == b"direct:/at-once:next"
