"""Requests that ask for another protocol: answered whole in this one, and no body is taken for a request."""

from __future__ import annotations

import http.client
import time

import pytest

from tests.integration.chassis.test_direct import Caller, caller, post, running

__all__ = ["caller", "running"]
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA")
_HIDDEN = b"POST /hidden HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("question", [H2C, WEBSOCKET])
@pytest.mark.parametrize("target", ["/at-once", "/usual"])
@pytest.mark.parametrize("cut", [None, 0, 20])
def test_the_body_is_taken_with_its_message(
    caller: Caller, question: tuple[str, ...], target: str, cut: int | None
) -> None:
    """In one part with the head, in a part of its own, and in two."""
    raw = post(target, _HIDDEN, *question)
    at = len(raw) if cut is None else len(raw) - len(_HIDDEN) + cut
    for _ in range(3):
        for part in (raw[:at], raw[at:]):
            if part:
                caller.send(part)
                time.sleep(0.02)
        status, headers, body = caller.answer()
        way = b"direct" if target == "/at-once" else b"usual"
        assert (status, body) == (201 if way == b"direct" else 200, b"%s:%s:%s" % (way, target.encode(), _HIDDEN[:20]))
        assert "upgrade" not in headers
    caller.send(post("/at-once", b"next"))
    assert caller.answer()[2] == b"direct:/at-once:next"


def test_what_follows_the_message_is_the_next_request(caller: Caller) -> None:
    caller.send(post("/slow", b"first", *H2C) + post("/usual", b"second") + post("/at-once", b"third"))
    assert [caller.answer()[2][-5:] for _ in range(3)] == [b"first", b"econd", b"third"]


def test_a_body_in_chunks(caller: Caller) -> None:
    head = "\r\n".join(["POST /usual HTTP/1.1", "Host: test", "Transfer-Encoding: chunked", *H2C, "", ""])
    caller.send(head.encode())
    time.sleep(0.02)
    caller.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert caller.answer()[2] == b"usual:/usual:abcde"


def test_a_request_without_a_body(caller: Caller) -> None:
    caller.send("\r\n".join(["GET /page HTTP/1.1", "Host: test", *H2C, "", ""]).encode())
    assert caller.answer()[0::2] == (200, b"usual:/page:")


def test_question_upon_question_is_answered_each_time(caller: Caller) -> None:
    caller.send(post("/usual", b"one", *H2C) * 3)
    assert [caller.answer()[0::2] for _ in range(3)] == [(200, b"usual:/usual:one")] * 3


def test_a_tunnel_is_refused_and_the_connection_closed(caller: Caller) -> None:
    caller.send(b"CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n")
    assert caller.answer()[0] == http.client.BAD_REQUEST
    assert caller.has_ended()
