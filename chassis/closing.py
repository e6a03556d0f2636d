"""How our side ends an HTTP connection: with an answer or a clean close, never with a reset.

uvicorn closes an idle connection at once, at SIGTERM and when it was idle for long. A request that was on its way then
meets a closed socket, and the kernel resets the connection: the caller cannot know what became of it. Here a process
that ends takes no new connection and answers what still comes with `Connection: close`; then it closes its own side
only, and reads on, without taking anything, until the caller has closed too.

A listening socket that is closed resets whoever has connected and was not accepted yet. So the kernel first drops what
asks for a new connection (the caller asks again a second later, and is refused, or finds the next process), and those
who are in are accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import socket
import struct
import sys

import uvicorn

from chassis.direct import DirectConnection

_DOORS = 32
"""How many connections the event loop takes in one turn."""
_DOOR_S = 0.1
"""How long a handshake that has begun may take to end."""
_GRACE_S = 0.4
"""How long a connection without a request may still bring one."""
_SO_ATTACH_FILTER = 26
_NO_SYN = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
)
"""For the packet filter of a socket: the flags of the TCP header; one with SYN is dropped, every other one passes."""


class ClosingServer(uvicorn.Server):
    """Lets many in at a time, and takes in who has connected already before it closes the door."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open each door many times: the event loop lets one caller through each of them in a turn (libuv since 1.45).

        With one door a burst of new connections waits outside, unseen by whoever sheds load, and the callers of an
        open loop bring more.
        """
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        connection = functools.partial(ClosingConnection, self.config, self.server_state, self.lifespan.state)
        for door in [door for server in self.servers for door in server.sockets]:
            for _ in range(_DOORS - 1):
                again = socket.socket(fileno=os.dup(door.fileno()))
                opened = await loop.create_server(
                    connection, sock=again, ssl=self.config.ssl, backlog=self.config.backlog
                )
                self.servers.append(opened)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (listener for server in self.servers for listener in server.sockets):
            _let_nobody_new_in(listener.fileno())
        await asyncio.sleep(_DOOR_S)
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)
        await super().shutdown(sockets)


class ClosingConnection(DirectConnection):
    """One connection; `shutdown` is called when the process is to end."""

    _is_ending = False

    def shutdown(self) -> None:
        self._is_ending, self.reads_plain_heads = True, False
        if self.is_idle():
            self.loop.call_later(_GRACE_S, self._close_our_side)
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False

    def timeout_keep_alive_handler(self) -> None:
        self._close_our_side()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_ending and not self.transport.is_closing():
            self.loop.call_later(_GRACE_S, self._close_our_side)

    def _close_our_side(self) -> None:
        if self.is_idle():
            self.leave()


def _let_nobody_new_in(listener: int) -> None:
    """Only Linux can; elsewhere who is just connecting may be reset."""
    if sys.platform == "linux":
        code = ctypes.create_string_buffer(_NO_SYN)
        program = struct.pack("HP", len(_NO_SYN) // 8, ctypes.addressof(code))
        with socket.socket(fileno=os.dup(listener)) as door, contextlib.suppress(OSError):
            door.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
