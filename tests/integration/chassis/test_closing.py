"""A server that ends resets nobody: who kept a connection sees an answer or a clean close."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from chassis.app import server
from chassis.direct import DirectConnection
from tests.serving import serving

REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    """Patient with a slow machine."""
    monkeypatch.setattr("chassis.closing._GRACE_S", 6.0)
    monkeypatch.setattr("chassis.direct.LINGER_S", 5.0)
    started = server(Starlette(routes=[Route("/", hello)]), host="127.0.0.1", port=0)
    with serving(started):
        yield started


def connect(running: uvicorn.Server) -> socket.socket:
    return socket.create_connection(running.servers[0].sockets[0].getsockname(), timeout=20)


def ask(connection: socket.socket) -> None:
    """Head and body of an answer may come in two parts."""
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"hello"):
        part = connection.recv(4096)
        assert part, f"the connection ended after {answer!r}"
        answer += part


def connected(running: uvicorn.Server) -> socket.socket:
    connection = connect(running)
    ask(connection)
    return connection


def our_side_of(running: uvicorn.Server, connection: socket.socket) -> DirectConnection:
    """The server's own object for this connection, once it has been accepted."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for each in list(running.server_state.connections):
            if isinstance(each, DirectConnection) and each.client == connection.getsockname():
                return each
        time.sleep(0.01)
    raise AssertionError("the server has not accepted the connection")


def is_listening(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=20).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_request_that_comes_after_sigterm_is_answered_and_told_that_it_is_the_last(running: uvicorn.Server) -> None:
    address = running.servers[0].sockets[0].getsockname()
    connection = connected(running)
    running.should_exit = True
    while is_listening(address):
        time.sleep(0.01)
    connection.sendall(REQUEST)
    answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert answer.endswith(b"hello")


def test_an_idle_connection_is_closed_cleanly_and_a_request_that_crosses_meets_no_reset(
    running: uvicorn.Server,
) -> None:
    connection = connected(running)
    running.should_exit = True
    assert connection.recv(4096) == b""
    connection.sendall(REQUEST)
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(4096) == b""


def test_a_connection_that_was_idle_for_long_is_closed_in_the_same_way(running: uvicorn.Server) -> None:
    connection = connect(running)
    our_side_of(running, connection).timeout_keep_alive = 0
    ask(connection)
    assert connection.recv(4096) == b""
    connection.sendall(REQUEST)
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(4096) == b""


def test_who_connects_while_the_door_closes_is_answered_or_refused_and_never_reset(
    running: uvicorn.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty callers, a new connection for each request, until nobody is let in any more."""
    monkeypatch.setattr("chassis.closing._GRACE_S", 0.1)
    address = running.servers[0].sockets[0].getsockname()
    ends: list[str] = []

    def call() -> None:
        while True:
            try:
                with socket.create_connection(address, timeout=20) as connection:
                    connection.sendall(REQUEST)
                    answers.append(connection.recv(4096))
            except ConnectionError as error:
                return ends.append(type(error).__name__)

    answers: list[bytes] = []
    callers = [threading.Thread(target=call) for _ in range(20)]
    for caller in callers:
        caller.start()
    while len(answers) < 200:
        time.sleep(0.01)
    running.should_exit = True
    for caller in callers:
        caller.join(30)
    assert ends == ["ConnectionRefusedError"] * 20
    assert {answer[:15] for answer in answers} <= {b"HTTP/1.1 200 OK", b""}
