"""The figures on the screen."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.domain.figures import CHART_S, bar_of, colour_figures, scan_figures

NOW = datetime(2020, 3, 2, 0, 0, 30, 400_000, UTC)


def seconds_ago(seconds: int) -> datetime:
    return NOW.replace(microsecond=0) - timedelta(seconds=seconds)


def test_the_rate_is_that_of_the_last_ten_whole_seconds() -> None:
    by_second = {(seconds_ago(ago), "pass"): 7 for ago in range(2, 30)}
    figures = scan_figures(by_second, {}, NOW)
    assert figures.per_s == 7.0
    assert figures.last_second == int(seconds_ago(2).timestamp())
    assert len(figures.scans_by_second) == len(figures.stops_by_second) == CHART_S


def test_a_second_that_is_still_filling_is_not_shown() -> None:
    figures = scan_figures({(seconds_ago(0), "pass"): 50, (seconds_ago(1), "pass"): 50}, {}, NOW)
    assert figures.per_s == 0
    assert not any(figures.scans_by_second)


def test_the_last_minute_ends_where_the_chart_ends() -> None:
    by_second = {(seconds_ago(61), "stop"): 1, (seconds_ago(62), "stop"): 10, (seconds_ago(2), "check"): 3}
    assert scan_figures(by_second, {}, NOW).last_minute == {"pass": 0, "check": 3, "stop": 1}


def test_a_decision_that_the_page_does_not_know_is_left_out_of_its_totals() -> None:
    figures = scan_figures({(seconds_ago(3), "wave"): 5}, {"pass": 2, "wave": 9}, NOW)
    assert figures.today == {"pass": 2, "check": 0, "stop": 0}
    assert figures.today_total == 2
    assert figures.per_s == 0


def test_an_empty_city_has_no_shares_and_no_bar() -> None:
    figures = colour_figures({}, {})
    assert figures.total == 0
    assert set(figures.share.values()) == {0.0}
    assert {part.width for part in figures.bar.values()} == {0.0}


def test_three_reds_among_twenty_million_can_be_seen() -> None:
    assert bar_of({"green": 20_000_000, "red": 3})["red"].width >= 1


@given(st.dictionaries(st.sampled_from(["green", "yellow", "red", "lapsed"]), st.integers(0, 10**8), min_size=1))
def test_the_parts_of_the_bar_fill_it_side_by_side(counts: dict[str, int]) -> None:
    parts = list(bar_of(counts).values())
    assert sum(part.width for part in parts) == pytest.approx(100 if any(counts.values()) else 0, abs=0.01)
    for left, right in itertools.pairwise(parts):
        assert right.x == pytest.approx(left.x + left.width, abs=0.01)
