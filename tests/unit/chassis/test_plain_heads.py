"""A plain head says what the framing and the parser would have read in it, and nothing else is plain."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import httptools
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from chassis.closing import ClosingConnection
from chassis.direct import Headers, Respond, Take
from chassis.framing import Framing, FramingLimits
from chassis.plain_heads import PlainHeads, read_plain_head

Taken = list[tuple[bytes, bytes | None, bytes]]


class Wire(asyncio.Transport):
    """Nothing is sent; it knows whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self._is_closed = False

    def write(self, data: Any) -> None:
        return None

    def close(self) -> None:
        self._is_closed = True

    def is_closing(self) -> bool:
        return self._is_closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


class Notes:
    """An application that answers every direct request at once, and notes what it was asked."""

    def __init__(self) -> None:
        self.taken: Taken = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        return None

    def directly(self, target: bytes, headers: Headers) -> Take | None:
        def take(body: bytes, respond: Respond) -> None:
            self.taken.append((target, headers.get(b"authorization"), bytes(body)))
            respond(200, b"")

        return take


def understood(parts: list[bytes], state: ServerState, *, plainly: bool) -> tuple[Taken, bool]:
    """(the requests, whether the connection was closed) of what came in these parts."""

    async def receive() -> tuple[Taken, bool]:
        notes = Notes()
        config = uvicorn.Config(
            notes, log_config=None, ws="none", lifespan="off", proxy_headers=False, interface="asgi3"
        )
        config.load()
        connection, wire = ClosingConnection(config, state, {}, asyncio.get_running_loop()), Wire()
        connection.reads_plain_heads = plainly
        connection.connection_made(wire)
        for part in parts:
            if not wire.is_closing():
                connection.data_received(part)
        connection._unset_keepalive_if_required()
        return notes.taken, wire.is_closing()

    return asyncio.run(receive())


_SIZES = (2, 3, 150, 300)
_MESSAGES = st.builds(
    lambda before, caller, size, filler, pad: (
        before
        + f"POST /{caller} HTTP/1.1\r\nHost: test\r\nAuthorization: {caller}\r\n".encode()
        + f"Content-Length: {size}\r\n{pad}\r\n".encode()
        + (filler * size)[:size]
    ),
    st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n"]),
    st.sampled_from("ab"),
    st.sampled_from(_SIZES),
    st.sampled_from([b"x", b"\r\n", b"POST "]),
    st.sampled_from(["", "", f"X: {'p' * 4000}\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\n"]),
)


@st.composite
def streams(draw: st.DrawFn) -> list[list[bytes]]:
    """Connections of one server, each a stream of messages in parts; a head's end and some body length are cut at."""
    made = []
    for _ in range(draw(st.integers(2, 4))):
        data = b"".join(draw(st.lists(_MESSAGES, min_size=1, max_size=3)))
        end = data.find(b"\r\n\r\n") + 4
        places = st.one_of(st.sampled_from([end + size for size in _SIZES]), st.integers(1, len(data)))
        cuts = sorted({0, len(data), *(cut for cut in draw(st.lists(places, max_size=3)) if cut < len(data))})
        made.append([data[start:stop] for start, stop in pairwise(cuts)])
    return made


@settings(max_examples=300, deadline=None)
@given(streams())
def test_a_connection_understands_the_same_with_plain_heads_and_without(connections: list[list[bytes]]) -> None:
    state = ServerState()
    for parts in connections * 2:
        assert understood(parts, state, plainly=True) == understood(parts, ServerState(), plainly=False)


# -- one head ----------------------------------------------------------------------------------------------------------


class Parsed:
    """What the framing and the parser say of a head."""

    def __init__(self, raw: bytes) -> None:
        self.target, self.fields, self.is_whole = b"", list[tuple[bytes, bytes]](), False
        framing, self._parser = Framing(FramingLimits()), httptools.HttpRequestParser(self)
        piece, _ = framing.step(raw)
        self._parser.feed_data(piece)
        self.size = framing.body_left

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_whole = True
        self.method, self.version = self._parser.get_method(), self._parser.get_http_version()
        self.stays_open = self._parser.should_keep_alive() and not self._parser.should_upgrade()


_PLAIN = ["Host: test", "Content-Length: 12", "Authorization: Bearer a.b.c", "X-Vegeta-Seq: 7", "Accept: */*"]
_ODD = [
    *(
        "Content-Length: 13",
        "Content-Length: 012",
        "Content-Length: 99999",
        "content-length: 1 2",
        "Content-Length: -1",
    ),
    *(
        "Transfer-Encoding: chunked",
        "Connection: keep-alive",
        "Connection: close",
        "connection: Upgrade",
        "Upgrade: h2c",
    ),
    *(
        "Proxy-Connection: close",
        "Expect: 100-continue",
        "TE: trailers",
        "Keep-Alive: timeout=5",
        "Host: two",
        "HOST: b",
    ),
    *(
        "X:no space",
        "X: ",
        "X:  two",
        "X: end ",
        "X : before",
        ": no name",
        "X: a\tb",
        "X: \u00e9",
        "X: a\rb",
        "X: a\nb",
    ),
    *(" folded", "no colon", "", "Authorization: b", "X-Null: \0", "X: a:b: c", "Content-Length: 5, 5", "X: \x7f"),
]
_LINES = st.one_of(
    st.just("POST /v1/scans HTTP/1.1"),
    st.sampled_from(
        [
            *("GET / HTTP/1.1", "POST / HTTP/1.0", "POST / HTTP/2", "post / HTTP/1.1", "POST  / HTTP/1.1", "POST /"),
            *(
                "POST /a?b HTTP/1.1",
                "POST * HTTP/1.1",
                "POST http://a/b HTTP/1.1",
                "POST /\u00e9 HTTP/1.1",
                " POST / HTTP/1.1",
            ),
        ]
    ),
)
_HEADS = st.builds(
    lambda line, fields, end: ("\r\n".join([line, *fields]) + end).encode("latin-1"),
    _LINES,
    st.lists(st.one_of(st.sampled_from(_PLAIN), st.sampled_from(_ODD)), max_size=9),
    st.sampled_from(["\r\n\r\n", "\r\n\r\n", "\r\n\r\n", "\n\n", "\r\n", "", "\r\n\r\n "]),
)


@settings(max_examples=3_000, deadline=None)
@given(
    st.one_of(
        _HEADS,
        st.builds(
            lambda odd: "\r\n".join(["POST /v1/scans HTTP/1.1", *_PLAIN, *odd, "", ""]).encode("latin-1"),
            st.lists(st.sampled_from(_ODD), max_size=2),
        ),
    )
)
def test_a_plain_head_says_what_the_parser_reads_in_it(raw: bytes) -> None:
    head = read_plain_head(raw)
    if head is None:
        return
    parsed = Parsed(raw)
    assert parsed.is_whole
    assert parsed.stays_open
    assert (parsed.method, parsed.version) == (b"POST", "1.1")
    assert (parsed.target, dict(parsed.fields), parsed.size) == (head.target, head.headers, head.size)
    assert len(parsed.fields) == len(head.headers)


@pytest.mark.parametrize(
    "fields",
    [
        _PLAIN,
        ["Host: test", "Content-Length: 0"],
        [*_PLAIN, "Connection: keep-alive"],
        [*_PLAIN, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"],
        [*_PLAIN, 'Cookie: a="b c"; d=e', "User-Agent: Go-http-client/1.1 (x; y)"],
    ],
)
def test_what_gates_and_generators_send_is_plain(fields: list[str]) -> None:
    """So the test above is not about heads that are never taken."""
    assert read_plain_head("\r\n".join(["POST /v1/scans HTTP/1.1", *fields, "", ""]).encode()) is not None


@pytest.mark.parametrize(
    "field",
    [
        each
        for each in _ODD
        if each not in ("Connection: keep-alive", "Keep-Alive: timeout=5", "TE: trailers", "X: a:b: c")
    ],
)
def test_a_head_with_anything_unusual_is_not_plain(field: str) -> None:
    raw = "\r\n".join(["POST /v1/scans HTTP/1.1", *_PLAIN, field, "", ""]).encode("latin-1")
    assert read_plain_head(raw) is None


def test_heads_are_remembered_in_two_generations_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.plain_heads._REMEMBERED_MAX", 2)
    heads = PlainHeads()
    raws = [b"POST /%d HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n" % n for n in range(5)]
    first = [heads.read(raw) for raw in raws[:4]]
    assert heads.read(raws[0]) is first[0]
    heads.read(raws[4])
    assert heads.read(raws[0]) is first[0], "who comes again stays"
    again = heads.read(raws[1])
    assert again == first[1]
    assert again is not first[1]
