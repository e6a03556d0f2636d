"""Locust holds the same whether it is told in groups or request by request."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.journal import Journal, Kind, Result

if TYPE_CHECKING:
    from locust.stats import RequestStats, StatsEntry

NOW = 1_656_403_200.4
FIELDS = (
    "num_requests",
    "num_failures",
    "min_response_time",
    "max_response_time",
    "total_content_length",
    "response_times",
    "num_reqs_per_sec",
    "num_fail_per_sec",
    "last_request_timestamp",
    "median_response_time",
)


@pytest.fixture
def unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing Locust would change this process's sockets and threads for gevent."""
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    monkeypatch.setattr(time, "time", lambda: NOW)


def noted(journal: Journal, count: int, seed: int) -> list[Result]:
    chance = random.Random(seed)
    results = [
        Result(
            due_s=n / 100,
            latency_ms=chance.expovariate(1 / chance.choice([3, 80, 900, 20_000])),
            waited_ms=0.0,
            late_ms=0.0,
            status=chance.choice([200, 200, 503, 0, 500]),
            scans=1,
            kind=chance.choice([Kind.SINGLE, Kind.CARD, Kind.BATCH, Kind.REPEAT]),
            is_measured=1,
            length=chance.randrange(3000),
            is_refused=0,
        )
        for n in range(count)
    ]
    for result in results:
        journal.note(result)
    return journal.results(0)[-count:]


def logged_one_by_one(results: list[Result]) -> RequestStats:
    from locust.stats import RequestStats

    from loadtests.locust_statistics import METHOD, NAMES

    stats = RequestStats()
    for result in results:
        name: Any = NAMES[Kind(result.kind)]
        stats.log_request(METHOD, name, result.latency_ms, result.length)  # type: ignore[arg-type]
        if not 200 <= result.status < 300:
            stats.log_error(METHOD, name, f"status {result.status}" if result.status else "no answer")
    return stats


def test_told_in_groups_it_holds_what_it_would_have_logged(unpatched: None) -> None:
    from locust.stats import RequestStats

    from loadtests.locust_statistics import LocustStatistics

    journal, told = Journal(), RequestStats()
    statistics = LocustStatistics(journal, told)
    results = noted(journal, 900, seed=1)
    statistics.tell()
    statistics.tell()
    results += noted(journal, 100, seed=2)
    statistics.tell()

    expected = logged_one_by_one(results)
    assert told.entries.keys() == expected.entries.keys()
    for key, entry in expected.entries.items():
        assert same(told.entries[key], entry), key
    assert same(told.total, expected.total)
    assert {key: error.occurrences for key, error in told.errors.items()} == {
        key: error.occurrences for key, error in expected.errors.items()
    }


def same(told: StatsEntry, expected: StatsEntry) -> bool:
    assert told.total_response_time == pytest.approx(expected.total_response_time)
    return all(getattr(told, field) == getattr(expected, field) for field in FIELDS)


def test_where_nothing_was_noted_nothing_is_told(unpatched: None) -> None:
    from locust.stats import RequestStats

    from loadtests.locust_statistics import LocustStatistics

    stats = RequestStats()
    LocustStatistics(Journal(), stats).tell()
    assert (stats.total.num_requests, dict(stats.entries)) == (0, {})
