"""Ports for processes of ours, outside the range from which the system takes those of outgoing connections.

A port of that range may be free when it is chosen and some client's a moment later, when the server wants it.
"""

from __future__ import annotations

import random
import socket

_HOST = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000


def free_ports(count: int) -> list[int]:
    """So many ports in a row that are free now; the first is a multiple of ten."""
    chance = random.SystemRandom()
    for _ in range(1000):
        first = chance.randrange(_FIRST, _LAST, 10)
        ports = list(range(first, first + count))
        if all(_is_free(port) for port in ports):
            return ports
    raise OSError(f"no {count} free ports in a row between {_FIRST} and {_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
