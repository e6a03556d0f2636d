"""A burst of new connections is let in within a few turns of the event loop, not one in each."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from chassis.app import server
from chassis.direct import Headers, Respond, Take
from tests.serving import serving

CALLERS = 96
_POST = b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\nx"


class Turns:
    """Counts the turns of its event loop, and notes in which each request was answered."""

    def __init__(self) -> None:
        self.turn, self.answered_in, self.is_held = 0, list[int](), threading.Event()
        self.may_go_on = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        self._next_turn(asyncio.get_running_loop())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self.turn += 1
        loop.call_soon(self._next_turn, loop)

    def directly(self, target: bytes, _headers: Headers) -> Take:
        return self._hold if target == b"/hold" else self._answer

    def _hold(self, _body: bytes, respond: Respond) -> None:
        """Nothing else happens until the test lets it go on."""
        self.is_held.set()
        assert self.may_go_on.wait(30)
        respond(200, b"")

    def _answer(self, _body: bytes, respond: Respond) -> None:
        self.answered_in.append(self.turn)
        respond(200, b"")


def connected(address: tuple[str, int], target: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=20)
    connection.sendall(_POST % target)
    return connection


def test_a_burst_of_connections_is_let_in_within_a_few_turns() -> None:
    turns = Turns()
    with serving(server(turns, host="127.0.0.1", port=0)) as address:
        holder = connected(address, b"/hold")
        assert turns.is_held.wait(20)
        callers = [connected(address, b"/") for _ in range(CALLERS)]
        turns.may_go_on.set()
        for each in (holder, *callers):
            assert each.recv(4096).startswith(b"HTTP/1.1 200")
            each.close()
    assert max(turns.answered_in) - min(turns.answered_in) <= CALLERS // 8


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])  # noqa: S104 (a port of the test's own, briefly)
def test_every_door_is_closed_with_the_server(host: str) -> None:
    turns = Turns()
    with serving(server(turns, host=host, port=0)) as (_, port):
        address = ("127.0.0.1", port)
        with connected(address, b"/") as caller:
            assert caller.recv(4096).startswith(b"HTTP/1.1 200")
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(address, timeout=20).close()
        except ConnectionRefusedError:
            break
        assert time.monotonic() < deadline, "a door stayed open"
        time.sleep(0.05)
