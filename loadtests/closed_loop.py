"""A client that costs little: prepared requests over kept connections, each sent when the one before is answered."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Offered:
    """What came of it: answers by status in `seconds`; `bodies_wrong` holds the first bodies of other statuses."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    bodies_wrong: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers with status 200 or 201 per second."""
        return (self.statuses[200] + self.statuses[201]) / self.seconds


class _Connection:
    __slots__ = ("buffer", "sent_at", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.buffer, self.sent_at = b"", time.perf_counter()
        self.socket.sendall(request)

    def take(self) -> tuple[int, bytes] | None:
        """Status and body once the whole answer is here. Raises ConnectionError when the server hangs up."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server closed a connection")
        self.buffer = self.buffer + part if self.buffer else part
        head_end = self.buffer.find(_HEAD_END)
        if head_end < 0:
            return None
        at = self.buffer.find(_LENGTH) + len(_LENGTH)
        length = int(self.buffer[at : self.buffer.index(b"\r", at)])
        body = self.buffer[head_end + 4 :]
        return None if len(body) < length else (int(self.buffer[9:12]), body)


def offer(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Offered:
    """Keep `connections` busy with `requests` for `seconds`, then wait for what is under way."""
    selector = selectors.DefaultSelector()
    held = [_Connection(port) for _ in range(connections)]
    for connection in held:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(next(requests))
    started = time.perf_counter()
    end, under_way = started + seconds, len(held)
    offered = Offered(seconds)
    while under_way:
        for key, _ in selector.select(timeout=10):
            connection = key.data
            answer = connection.take()
            if answer is None:
                continue
            now = time.perf_counter()
            if now <= end:
                offered.statuses[answer[0]] += 1
                offered.latencies_s.append(now - connection.sent_at)
                if answer[0] >= 300 and len(offered.bodies_wrong) < 3:
                    offered.bodies_wrong.append(answer[1])
                connection.send(next(requests))
            else:
                under_way -= 1
    for connection in held:
        connection.socket.close()
    selector.close()
    return offered


def request(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """An HTTP/1.1 request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in ({"Content-Type": "application/json"} | (headers or {})).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
