"""The pictures say what the reports say."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from guanka.home import REFERENCE
from loadtests.picture import Scale, day, ladder, throughput_by_clock
from loadtests.shapes import read_profile

_REPORT: dict[str, Any] = {"machine": "a <machine>", "started_at": "2026-01-02T03:04:05+00:00", "commit": "abc"}


def _words(picture: str) -> str:
    return " ".join(ElementTree.fromstring(picture).itertext())  # noqa: S314 (our own)


def test_a_ladder_is_drawn_with_where_refusals_begin() -> None:
    figures: dict[str, float] = {}
    for rate in (343, 686, 1029):
        figures |= {f"p50_ms_at_{rate}_per_s": 3.0, f"p99_ms_at_{rate}_per_s": 30.0}
        figures[f"refused_at_{rate}_per_s"] = float(rate > 1000)
    words = _words(ladder({**_REPORT, "figures": figures}))
    assert "refused (503) from 1,029/s on" in words
    assert "a <machine>; 2026-01-02, abc" in words


def test_a_day_is_drawn_over_its_own_clock() -> None:
    profile = read_profile(REFERENCE, "weekday")
    series = [{"accepted": "100"} for _ in range(300)]
    points = throughput_by_clock(series, profile)
    assert [rate for _, rate in points] == [100.0] * 20
    assert points == sorted(points)
    half = next(hour for hour, _ in points[10:])
    assert 13 < half < 15
    report = {**_REPORT, "figures": {"acknowledged": 30_000, "seconds": 300}}
    assert "30,000 scans of a day, uploaded in 5.0 minutes" in _words(day(report, series))


def test_a_logarithmic_scale_gives_every_power_of_ten_the_same_room() -> None:
    scale = Scale(1, 1000, 0, 300, is_log=True)
    assert [scale.place(value) for value in (1, 10, 100, 1000, 5000)] == pytest.approx([0, 100, 200, 300, 300])
