"""How a process is, from its answer to /readyz."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from services.console.domain.processes import LAG_MAX, process_of
from services.console.process_watch import ProcessWatch


def readyz(
    *, ready: bool = True, rows: int = 0, oldest_s: float = 0.0, lag: int = 0, trouble: str | None = None
) -> dict[str, object]:
    return {
        "ready": ready,
        "checks": {
            "relay": {"ready": True, "detail": {"active": True, "rows": rows, "oldest_s": oldest_s}},
            "consumer": {
                "ready": trouble is None,
                "detail": {"active": True, "lag": {"codes.events.v1": lag}, "trouble": trouble},
            },
        },
    }


def test_a_worker_that_keeps_up_is_ok() -> None:
    process = process_of("codes-worker", readyz(rows=3, lag=12))
    assert (process.state, process.outbox_rows, process.lag) == ("ok", 3, {"codes.events.v1": 12})


@pytest.mark.parametrize(
    "answer",
    [
        readyz(ready=False),
        readyz(oldest_s=5.1, rows=1),
        readyz(lag=LAG_MAX + 1),
        readyz(ready=False, trouble="the log was cut"),
    ],
)
def test_a_worker_that_is_behind_or_lacks_something_is_waiting(answer: dict[str, object]) -> None:
    assert process_of("codes-worker", answer).state == "waiting"


def test_a_trouble_is_shown_in_its_own_words() -> None:
    assert process_of("codes-worker", readyz(ready=False, trouble="the log was cut")).trouble == "the log was cut"


def test_an_api_without_relay_and_consumer_is_known_by_its_readiness_alone() -> None:
    ready = process_of("codes-api", {"ready": True, "checks": {"database": {"ready": True, "detail": None}}})
    assert (ready.state, ready.outbox_rows, ready.lag) == ("ok", None, {})
    unready = process_of("codes-api", {"ready": False, "checks": {"database": {"ready": False, "detail": None}}})
    assert (unready.state, unready.trouble) == ("waiting", "not ready: database")


@pytest.mark.parametrize("answer", [None, [], "ready", {"ready": True}, {"checks": 3}])
def test_what_is_no_answer_of_ours_is_away(answer: object) -> None:
    assert process_of("codes-worker", answer).state == "away"


def look(addresses: dict[str, str], handle: httpx.MockTransport) -> list[str]:
    async def once() -> list[str]:
        watch = ProcessWatch(addresses)
        async with httpx.AsyncClient(transport=handle) as client:
            await watch.look(client)
        return [f"{process.name} {process.state}" for process in watch.processes]

    return asyncio.run(once())


def test_each_process_is_asked_and_a_silent_or_strange_one_is_away() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.port == 1:
            raise httpx.ConnectError("refused", request=request)
        if request.url.port == 2:
            return httpx.Response(200, text="<html>")
        if request.url.port == 3:
            return httpx.Response(200, json=readyz() | {"checks": {"consumer": {"detail": {"lag": {"a": "many"}}}}})
        return httpx.Response(503, json=readyz(ready=False))

    addresses = {name: f"http://host:{port}" for name, port in (("a", 1), ("b", 2), ("c", 3), ("d", 4))}
    assert look(addresses, httpx.MockTransport(answer)) == ["a away", "b away", "c away", "d waiting"]
