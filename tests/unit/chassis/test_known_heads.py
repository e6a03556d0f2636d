"""What a connection understands does not depend on which heads the process remembers."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from chassis.closing import ClosingConnection
from chassis.direct import Headers, Respond, Take

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


def understood(parts: list[bytes], state: ServerState, *, remembers: bool) -> tuple[Taken, bool]:
    """(the requests, whether the connection was closed) of what came in these parts."""

    async def receive() -> tuple[Taken, bool]:
        notes = Notes()
        config = uvicorn.Config(
            notes, log_config=None, ws="none", lifespan="off", proxy_headers=False, interface="asgi3"
        )
        config.load()
        connection, wire = ClosingConnection(config, state, {}, asyncio.get_running_loop()), Wire()
        connection.remembers_heads = remembers
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
def test_a_connection_understands_the_same_with_remembered_heads_and_without(connections: list[list[bytes]]) -> None:
    state = ServerState()
    for parts in connections * 2:
        assert understood(parts, state, remembers=True) == understood(parts, ServerState(), remembers=False)
