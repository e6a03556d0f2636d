"""The scan routes by themselves: who holds a place among the scans under way."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from chassis.auth import Bearer
from services.checkpoints.rate_limit import Admission, RateLimit, Room
from services.checkpoints.scan_routes import ScanRoutes


class AnyToken:
    """Takes every token for a gate's."""

    def read_until(self, _authorization: str) -> tuple[float, Bearer]:
        return time.time() + 60, Bearer("gate", frozenset(["gate"]), "4401", None, frozenset(), time.time() + 60)


def routes(admission: Admission) -> ScanRoutes:
    unused: Any = SimpleNamespace(take=print)
    return ScanRoutes(
        unused,
        singles=unused,
        batches=unused,
        token_reader=AnyToken(),  # type: ignore[arg-type]
        admission=admission,
        times=unused,
        body_bytes_max=1000,
    )


def test_a_gate_that_stalls_in_the_middle_of_its_body_takes_nobodys_place() -> None:
    admission, asked, sent = Admission(RateLimit(0), Room(1, target_s=0.04)), [], []

    async def stall() -> dict[str, Any]:
        asked.append(True)
        if len(asked) > 1:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b'{"scan_id"', "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def use() -> None:
        scope = {"type": "http", "path": "/v1/scans", "method": "POST", "headers": [(b"authorization", b"Bearer x")]}
        request = asyncio.create_task(routes(admission)(scope, stall, send))  # type: ignore[arg-type]
        while len(asked) < 2:
            await asyncio.sleep(0)
        assert admission.singles == 0
        request.cancel()

    asyncio.run(use())
    assert not sent
