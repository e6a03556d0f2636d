"""Connections of hot paths: asynchronous, owned by one task, hung up when the server does not answer in time."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@contextmanager
def hanging_up(connection: Connection, *, after_s: float) -> Iterator[None]:
    """A limit for what is awaited on the connection: then it breaks, as if the server had gone.

    Cancelling would not do: psycopg then asks the server to cancel and waits for it, and a frozen server never answers.
    """
    timer = asyncio.get_running_loop().call_later(after_s, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: Connection) -> None:
    """Shut the socket down, but leave its descriptor to libpq: the event loop still watches it."""
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)
