"""The scan routes by themselves: who holds a place among the scans under way, and how often a token is verified."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from chassis.auth import Bearer
from chassis.held_bodies import HeldBodies
from services.checkpoints.answers import AnswerTimes
from services.checkpoints.rate_limit import Admission, RateLimit
from services.checkpoints.scan_routes import ScanRoutes


class AnyToken:
    """Takes every token for a gate's."""

    def read_until(self, _authorization: str) -> tuple[float, Bearer]:
        return time.time() + 60, Bearer("gate", frozenset(["gate"]), "4401", None, frozenset(), time.time() + 60)


class SlowToken(AnyToken):
    """Verifies slowly and counts; a token may be taken as read for so many seconds."""

    def __init__(self, read_s: float) -> None:
        self.verified, self._read_s = 0, read_s

    def read_until(self, authorization: str) -> tuple[float, Bearer]:
        self.verified += 1
        time.sleep(0.05)
        bearer = super().read_until(authorization)[1]
        return time.time() + self._read_s, bearer


def routes(
    admission: Admission,
    token_reader: AnyToken | None = None,
    *,
    is_full: bool = False,
    body_bytes_max: int = 1000,
    held: HeldBodies | None = None,
) -> ScanRoutes:
    def take(_bearer: Bearer, _body: bytes, respond: Any) -> None:
        respond(200, b"{}")

    unused: Any = SimpleNamespace(take=take, is_full=lambda: is_full, shed=lambda _body, respond: respond(503, b"shed"))
    return ScanRoutes(
        unused,
        singles=unused,
        batches=unused,
        token_reader=token_reader or AnyToken(),  # type: ignore[arg-type]
        admission=admission,
        times=AnswerTimes(),
        body_bytes_max=body_bytes_max,
        held=held or HeldBodies(1000),
    )


def test_a_gate_that_stalls_in_the_middle_of_its_body_takes_nobodys_place() -> None:
    admission, asked, sent = Admission(RateLimit(0), 1), [], []

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


async def post(routes_: ScanRoutes, token: bytes = b"Bearer x") -> int:
    """The status of the answer to a scan."""
    statuses = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status"))

    scope = {"type": "http", "path": "/v1/scans", "method": "POST", "headers": [(b"authorization", token)]}
    await routes_(scope, receive, send)  # type: ignore[arg-type]
    return int(statuses[0])


def test_scans_that_come_together_with_a_new_token_have_it_verified_once() -> None:
    reader = SlowToken(60)

    async def use() -> list[int]:
        made = routes(Admission(RateLimit(0), 10), reader)
        return await asyncio.gather(*(post(made) for _ in range(50)))

    assert asyncio.run(use()) == [200] * 50
    assert reader.verified == 1


def test_a_token_is_verified_again_before_it_must_be_and_no_scan_waits_for_it() -> None:
    reader = SlowToken(5)

    async def use() -> None:
        made = routes(Admission(RateLimit(0), 10), reader)
        headers = {b"content-length": b"2", b"authorization": b"Bearer x"}
        assert made.directly(b"/v1/scans", headers) is None
        assert await post(made) == 200
        assert [made.directly(b"/v1/scans", headers) is not None for _ in range(3)] == [True] * 3
        async with asyncio.timeout(5):
            while reader.verified < 2:
                await asyncio.sleep(0.001)

    asyncio.run(use())
    assert reader.verified == 2


def test_a_full_queue_refuses_a_scan_before_its_token_is_looked_at() -> None:
    made, refused = routes(Admission(RateLimit(0), 10), SlowToken(5), is_full=True), []
    take = made.directly(b"/v1/scans", {b"content-length": b"2", b"authorization": b"Bearer of nobody"})
    assert take is not None
    take(b"{}", lambda status, *_: refused.append(status))
    assert refused == [503]


def test_a_large_batch_waits_for_room_and_a_small_one_does_not() -> None:
    held = HeldBodies(40_000)
    asked: list[bool] = []

    async def receive() -> dict[str, Any]:
        asked.append(True)
        return {"type": "http.request", "body": b"[]", "more_body": False}

    async def status(size: int) -> int:
        statuses: list[int] = []

        async def send(message: dict[str, Any]) -> None:
            statuses.append(message.get("status", 0))

        scope = {"type": "http", "method": "POST", "path": "/v1/scans/batch", "query_string": b""}
        headers = [(b"authorization", b"Bearer a"), (b"content-length", b"%d" % size)]
        front = routes(Admission(RateLimit(0), 1), body_bytes_max=30_000, held=held)
        await front({**scope, "headers": headers}, receive, send)  # type: ignore[arg-type]
        return statuses[0]

    with held.hold("others", 15_000):
        assert asyncio.run(status(30_000)) == 503
        assert not asked
        assert asyncio.run(status(1_000)) == 200
    assert asyncio.run(status(30_000)) == 200
