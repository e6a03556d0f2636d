"""A server of a test's own in this process: real sockets, with the application in reach."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

_PATIENCE_S = 30.0


@contextmanager
def serving(running: uvicorn.Server) -> Iterator[tuple[str, int]]:
    """Its address, once it takes requests; afterwards it is ended and waited for."""
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not running.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        host, port = running.servers[0].sockets[0].getsockname()
        yield host, port
    finally:
        running.should_exit = True
        thread.join(_PATIENCE_S)
    assert not thread.is_alive(), "the server did not end"
