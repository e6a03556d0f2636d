"""How old the figures of each service are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.console.domain.processes import away, process_of
from services.console.domain.sources import Source, source_of, sources_at, told_until
from services.console.process_watch import ProcessWatch

NOW = datetime(2020, 3, 2, tzinfo=UTC)


def seconds_ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def answer(*, oldest_s: float = 0.0, lag: int = 0, ready: bool = True, trouble: str | None = None) -> dict[str, object]:
    relay = {"ready": True, "detail": {"active": True, "rows": 1, "oldest_s": oldest_s}}
    consumer = {"ready": ready, "detail": {"lag": {"codes.events.v1": lag}, "trouble": trouble}}
    return {"ready": ready, "checks": {"relay": relay, "consumer": consumer}}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("ledger-worker", "ledger"),
        ("codes-worker-2", "codes"),
        ("console-worker", None),
        ("ledger-api", None),
        ("bledger-worker", None),
    ],
)
def test_a_worker_is_known_by_its_name(name: str, source: str | None) -> None:
    assert source_of(name) == source


def test_a_worker_has_told_all_but_what_waits_in_its_outbox() -> None:
    assert told_until(process_of("ledger-worker", answer()), NOW) == NOW
    assert told_until(process_of("ledger-worker", answer(oldest_s=40)), NOW) == seconds_ago(40)


def test_a_worker_that_does_not_answer_or_is_behind_has_told_nothing_new() -> None:
    assert told_until(away("ledger-worker"), NOW) is None
    for said in (answer(ready=False), answer(trouble="stuck"), answer(lag=100_000)):
        assert told_until(process_of("ledger-worker", said), NOW) is None


def test_figures_are_as_old_as_the_older_of_the_two_halves_of_their_way() -> None:
    told = {"ledger": seconds_ago(30), "codes": seconds_ago(1)}
    found = sources_at(NOW, applied_until=seconds_ago(4), told=told, watched={"ledger", "codes"})
    assert found["ledger"] == Source(seconds_ago(30), 30.0)
    assert found["codes"] == Source(seconds_ago(4), 4.0)


def test_of_a_worker_that_is_not_watched_the_log_is_all_that_is_known() -> None:
    assert sources_at(NOW, applied_until=seconds_ago(4), told={}, watched=set())["checkpoints"].age_s == 4.0


def test_nobody_knows_the_age_of_what_comes_from_a_worker_that_never_answered() -> None:
    assert sources_at(NOW, applied_until=NOW, told={}, watched={"ledger"})["ledger"] == Source(None, None)


def test_a_worker_that_falls_silent_grows_old_and_another_of_the_same_service_keeps_it_young() -> None:
    silent: set[str] = set()
    now = NOW

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.host in silent:
            raise httpx.ConnectTimeout("frozen")
        return httpx.Response(200, json=answer())

    async def story() -> None:
        nonlocal now
        watch = ProcessWatch(
            {"ledger-worker": "http://one", "ledger-worker-2": "http://two"},
            transport=httpx.MockTransport(handle),
            clock=lambda: now,
        )
        async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
            for gone, age_s in ((set(), 0.0), ({"one"}, 0.0), ({"one", "two"}, 10.0)):
                now += timedelta(seconds=10)
                silent.update(gone)
                await watch.look(client)
                assert watch.sources(now, now)["ledger"].age_s == age_s

    asyncio.run(story())
