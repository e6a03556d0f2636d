"""How long the event loop of a served application is held: CPU seconds of its thread, callback by callback."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from uuid import UUID

import httpx
import uvicorn
from starlette.types import ASGIApp

from chassis.app import server
from tests.serving import serving

HELD_S_MAX = 0.02
_ROUNDS = 3
_SOME_ID = str(UUID(int=7 << 76 | 2 << 62))


@dataclass
class Watch:
    """`held` are the longest callbacks: (CPU seconds, what was called)."""

    running: uvicorn.Server
    address: tuple[str, int]
    thread: int = 0
    held: list[tuple[float, str]] = field(default_factory=list)

    def note(self, seconds: float, called: str) -> None:
        if seconds > HELD_S_MAX / 4:
            self.held = sorted([*self.held, (round(seconds, 4), called)], reverse=True)[:10]

    def longest_s(self) -> float:
        return self.held[0][0] if self.held else 0.0

    def require_turns(self, action: Callable[[], object]) -> None:
        """No callback takes long. What happens once (an import, another process on this core) does not come again."""
        for _ in range(_ROUNDS):
            self.held.clear()
            action()
            if self.longest_s() < HELD_S_MAX:
                return
        raise AssertionError(f"callbacks took {self.held}")

    def send(self, raw: bytes, wait_s: float = 5.0) -> bytes:
        """What comes back on a connection of its own until it is closed, or for a moment."""
        with socket.create_connection(self.address, timeout=wait_s) as line, contextlib.suppress(OSError):
            with contextlib.suppress(OSError):
                line.sendall(raw)
            return line.recv(65_536)
        return b""


@contextmanager
def watched(app: ASGIApp) -> Iterator[tuple[httpx.Client, Watch]]:
    """The application on a real socket, on Python's own event loop, whose callbacks can be timed from outside.

    The garbage collector rests: it would look through all that the tests have made, not what a service holds.
    """
    running = server(app, host="127.0.0.1", port=0)
    running.config.loop = "asyncio"
    run, watches = asyncio.Handle._run, []

    def timed(handle: Any) -> None:
        if not watches or threading.get_ident() != watches[0].thread:
            return run(handle)
        began = time.thread_time()
        run(handle)
        watches[0].note(time.thread_time() - began, repr(handle._callback))
        return None

    with mock.patch.object(asyncio.Handle, "_run", timed), serving(running) as address:
        watch = Watch(running, address)
        threads = (each for each in threading.enumerate() if each.name.startswith("Thread-"))
        watch.thread = next(each.ident for each in threads if "run" in each.name) or 0
        gc.collect()
        gc.disable()
        watches.append(watch)
        try:
            with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=60) as http:
                yield http, watch
        finally:
            gc.enable()


def hostile_bodies(fits: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """JSON, and nearly so, of at most a mebibyte that costs much to read."""
    keys = {f"k{number}": number for number in range(90_000)}
    few = {f"k{number}": number for number in range(250)}
    return {
        "90,000 keys": json.dumps(keys, separators=(",", ":")).encode(),
        "90,000 keys with spaces": json.dumps(keys, separators=(" , ", " : ")).encode()[:1_048_576],
        "a list of numbers": b"[" + b"1," * 400_000 + b"1]",
        "49,000 keys in objects": json.dumps([few] * 196).encode()[:1_048_576],
        "49,000 keys in a member": json.dumps({"scans": [few] * 196, "people": [few] * 3}).encode()[:1_048_576],
        "1,000 small objects": json.dumps([{"a": 1, "b": {}}] * 1_000).encode(),
        "1,000 objects in every list": json.dumps({name: [{"a": 1}] * 1_000 for name in _LISTS}).encode(),
        "1,000 objects of 40 keys": json.dumps([dict(list(few.items())[:40])] * 1_000).encode(),
        "200 good keys and more": json.dumps(dict(list(few.items())[:200]) | dict(fits or {})).encode(),
        "deep lists": b"[" * 500_000 + b"]" * 500_000,
        "deep objects": b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
        "brackets": b"[]" * 500_000,
        "a long text": b'"' + b"x" * 1_000_000 + b'"',
        "escapes": b'{"a":"' + b"\\u0041" * 170_000 + b'"}',
        "escaped quotes without an end": b'{"a":' + b'\\"' * 500_000,
        "quotes": b'"' * 1_000_000,
        "a long number": b"[" + b"9" * 1_000_000 + b"]",
        "UTF-16": json.dumps(keys).encode("utf-16")[:1_000_000],
        "nothing but NUL": b"\0" * 1_000_000,
        "by chance": random.Random(13).randbytes(1_000_000),
    }


_REFUSED = (400, 404, 413, 422)
_LISTS = ("scans", "people", "changes", "registrations", "stays", "symptoms", "facts")


def targets(http: httpx.Client) -> Iterable[tuple[str, str]]:
    """(method, path) of what takes a body, as OpenAPI says."""
    paths: Mapping[str, Any] = http.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        filled = "/".join(_SOME_ID if part.startswith("{") else part for part in path.split("/"))
        for method in operations.keys() & {"post", "put", "patch"}:
            yield method.upper(), filled


def attack(http: httpx.Client, watch: Watch, headers: Mapping[str, str], heads: Iterable[bytes]) -> None:
    """Every hostile body to every address that takes one, and every head: refused, and nobody is held up by it."""
    told = {**headers, "Content-Type": "application/json"}
    bodies, addresses = hostile_bodies(), list(targets(http))

    def send_all() -> None:
        for method, path in addresses:
            for name, body in bodies.items():
                status = http.request(method, path, content=body, headers=told).status_code
                assert status in _REFUSED, (method, path, name, status)
        for head in heads:
            watch.send(head)

    watch.require_turns(send_all)
