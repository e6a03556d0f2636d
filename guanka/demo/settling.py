"""When a city has come to rest: the workers have told all that happened, and taken all that was told."""

from __future__ import annotations

import time
from typing import Any

import httpx

from guanka.home import Home

_WORKERS = ("checkpoints-worker", "ledger-worker", "codes-worker")
_LOOKS = 4
"""An event that is taken makes another one somewhere else: so often in a row nothing may wait."""
_PAUSE_S = 0.15


def wait_until_settled(home: Home, *, patience_s: float) -> bool:
    """Whether nothing waited any more, in any outbox or before any consumer, before the patience was over."""
    deadline, quiet = time.monotonic() + patience_s, 0
    with httpx.Client(timeout=5) as client:
        while quiet < _LOOKS:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_S)
            ports = {name: entry.get("port") for name, entry in home.running()["processes"].items()}
            quiet = quiet + 1 if all(_is_at_rest(client, ports.get(name)) for name in _WORKERS) else 0
    return True


def _is_at_rest(client: httpx.Client, port: int | None) -> bool:
    try:
        checks: dict[str, Any] = client.get(f"http://127.0.0.1:{port}/readyz").json()["checks"]
        relay, consumer = checks["relay"]["detail"], checks["consumer"]["detail"]
        return int(relay["rows"]) <= 1 and sum(map(int, consumer["lag"].values())) <= 1  # a heartbeat is on its way
    except (httpx.HTTPError, KeyError, ValueError):
        return False
