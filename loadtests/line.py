"""A gate's connection: HTTP/1.1 by hand over one gevent socket, kept open.

On two cores the generator takes its CPU from the service that it measures. Locust's FastHttpUser spent six times as
much CPU on a request as this did (measured: 590 and 100 µs on a busy machine), and a storm would measure the client.
A third of the rest went into gevent's `sendall` and a timer for each answer; now one greenlet looks at all that are
awaited.
"""

from __future__ import annotations

import time
from typing import ClassVar, NamedTuple

import gevent
from gevent import socket

TIMEOUT_S = 20.0
"""Longer than the service itself waits for its store; looked at once in `_LOOK_S`."""
_LOOK_S = 0.5


class Unanswered(Exception):
    """The connection broke or nothing came in time: whether the request was served is not known."""


class Answer(NamedTuple):
    status: int
    body: bytes
    retry_after_s: float | None

    @property
    def is_polite_refusal(self) -> bool:
        return self.status == 503 and self.retry_after_s is not None


def head_of(path: str, host: str, port: int, token: str) -> bytes:
    """The unchanging part of a request's head; the length of the body and an empty line follow."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()


class Line:
    """Opened when first needed, and again after it broke."""

    _awaited_since: ClassVar[dict[Line, float]] = {}
    _watch: ClassVar[gevent.Greenlet | None] = None

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._socket: socket.socket | None = None

    def post(self, head: bytes, body: bytes) -> Answer:
        """Raises `Unanswered`."""
        try:
            line = self._socket or self._open()
            self._awaited_since[self] = time.monotonic()
            request = b"%b%d\r\n\r\n%b" % (head, len(body), body)
            sent = line.send(request)
            if sent < len(request):
                line.sendall(request[sent:])
            return self._read(line)
        except (OSError, ValueError) as error:
            self.close()
            raise Unanswered(type(error).__name__) from None
        finally:
            self._awaited_since.pop(self, None)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        line = socket.create_connection(self._place, timeout=TIMEOUT_S)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.settimeout(None)
        self._socket = line
        if Line._watch is None:
            Line._watch = gevent.spawn(_close_the_overdue, self._awaited_since)
        return line

    def _read(self, line: socket.socket) -> Answer:
        received = _more(line)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += _more(line)
        head = received[:end].lower()
        size = end + 4 + int(_value(head, b"\r\ncontent-length:") or b"0")
        if len(received) < size:
            parts, length = [received], len(received)
            while length < size:
                parts.append(_more(line))
                length += len(parts[-1])
            received = b"".join(parts)
        status = int(head[9:12])
        retry_after = _value(head, b"\r\nretry-after:") if status != 200 else None
        if _value(head, b"\r\nconnection:") == b"close":
            self.close()
        return Answer(status, received[end + 4 :], float(retry_after) if retry_after else None)


def _close_the_overdue(awaited_since: dict[Line, float]) -> None:
    """Whoever awaits an answer on a line that is closed gets an OSError."""
    while True:
        gevent.sleep(_LOOK_S)
        since = time.monotonic() - TIMEOUT_S
        for line in [line for line, at in awaited_since.items() if at < since]:
            line.close()


def _more(line: socket.socket) -> bytes:
    part = line.recv(1 << 16)
    if not part:
        raise ConnectionError("closed")
    return bytes(part)


def _value(head: bytes, name: bytes) -> bytes | None:
    start = head.find(name)
    if start < 0:
        return None
    end = head.find(b"\r\n", start + 2)
    return head[start + len(name) : end if end > 0 else None].strip()
