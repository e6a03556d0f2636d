"""Ports for processes of ours, outside the range from which the system takes those of outgoing connections.

A port of that range may be free when it is chosen and some client's a moment later, when the server wants it. So may
one that another start of ours has chosen meanwhile: what is chosen stays written down for two minutes.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOST = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000
_CHOSEN_S = 120.0


def free_ports(count: int) -> list[int]:
    """So many ports in a row that are free now and that nobody chose just now; the first is a multiple of ten."""
    chance = random.SystemRandom()
    with _chosen() as chosen:
        for _ in range(1000):
            first = chance.randrange(_FIRST, _LAST, 10)
            ports = list(range(first, first + count))
            if chosen.keys().isdisjoint(map(str, ports)) and all(_is_free(port) for port in ports):
                chosen.update(dict.fromkeys(map(str, ports), time.time()))
                return ports
    raise OSError(f"no {count} free ports in a row between {_FIRST} and {_LAST}")


@contextmanager
def _chosen() -> Iterator[dict[str, float]]:
    """When each port was chosen, of the last two minutes; nobody else looks or writes meanwhile."""
    path = Path(tempfile.gettempdir()) / f"guanka-ports-{os.getuid()}.json"
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        try:
            known: dict[str, float] = json.loads(file.read() or "{}")
        except ValueError:
            known = {}
        now = time.time()
        chosen = {port: at for port, at in known.items() if now - _CHOSEN_S < at <= now}
        yield chosen
        file.truncate(0)
        file.write(json.dumps(chosen))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
