"""A load client's connection: whole answers, and an end to waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from loadtests import line as lines
from loadtests.line import Answer, Line, Unanswered

HEAD = b"POST / HTTP/1.1\r\nContent-Length: "
ANSWER = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater"

Serve = Callable[[socket.socket], None]


@pytest.fixture
def opened() -> Iterator[Callable[[Serve], Line]]:
    """A line to a server that does as it is told with each of its connections."""
    listener, made = socket.create_server(("127.0.0.1", 0)), []

    def open_to(serve: Serve) -> Line:
        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        made.append(Line(*listener.getsockname()))
        return made[0]

    yield open_to
    for line in made:
        line.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    size = int(head.rpartition(b" ")[2])
    while len(body) < size:
        body += connection.recv(1 << 16)
    return body


def test_an_answer_in_parts_is_read_whole(opened: Callable[[Serve], Line]) -> None:
    def serve(connection: socket.socket) -> None:
        for _ in range(2):
            read_request(connection)
            for part in (ANSWER[:20], ANSWER[20:-3], ANSWER[-3:]):
                connection.sendall(part)
                time.sleep(0.01)

    line = opened(serve)
    for _ in range(2):
        assert line.post(HEAD, b"{}") == Answer(503, b"later", 7.0)


def test_a_body_larger_than_the_socket_takes_at_once_is_sent_whole(opened: Callable[[Serve], Line]) -> None:
    sizes: list[int] = []

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        time.sleep(0.05)
        sizes.append(len(read_request(connection)))
        connection.sendall(ANSWER)

    assert opened(serve).post(HEAD, b"x" * 2_000_000).status == 503
    assert sizes == [2_000_000]


def test_what_is_not_answered_in_time_ends_and_the_next_request_has_a_new_connection(
    opened: Callable[[Serve], Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "TIMEOUT_S", 0.3)
    is_slow = iter([True, False])

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        if next(is_slow):
            assert connection.recv(1) == b""
        else:
            connection.sendall(ANSWER)

    line = opened(serve)
    with pytest.raises(Unanswered):
        line.post(HEAD, b"{}")
    assert line.post(HEAD, b"{}").is_polite_refusal


def test_a_connection_that_breaks_is_told(opened: Callable[[Serve], Line]) -> None:
    with pytest.raises(Unanswered):
        opened(lambda connection: connection.close()).post(HEAD, b"{}")
