"""The shapes of the load: what was asked for is offered, at the places and times of the reference data."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from guanka.home import REFERENCE
from loadtests.shapes import (
    BATCH_OF_A_DAY,
    PEAK_PER_S,
    QUARTER_S,
    SCANS_A_DAY,
    Asked,
    Segment,
    allotted,
    day_batches,
    moments,
    read_points,
    read_profile,
    shape_names,
    shape_of,
    stations_of,
)


def test_the_peak_is_a_little_above_the_busiest_quarter_of_the_data() -> None:
    busiest_per_s = max(read_profile(REFERENCE, "weekday").shares) * SCANS_A_DAY / QUARTER_S
    assert 331 < busiest_per_s < 332 < PEAK_PER_S < busiest_per_s * 1.05


def test_a_storm_is_ten_times_the_peak_from_one_second_to_the_next() -> None:
    before, storm = shape_of("storm", Asked()).segments
    assert (before.scans_per_s, storm.scans_per_s) == (343, 3430)


def test_an_overload_offers_three_times_what_is_admitted_and_nobody_comes_again() -> None:
    shape = shape_of("overload", Asked())
    assert dict(shape.settings) == {"SCAN_ADMISSION_PER_S": "800"}
    assert [segment.scans_per_s for segment in shape.segments] == [2400, 2400]
    assert not shape.retries


def test_minutes_seconds_and_users_change_how_long_and_how_much() -> None:
    assert shape_of("peak", Asked()).segments[-1] == Segment(600, 343)
    assert shape_of("peak", Asked(minutes=2)).segments[-1].seconds == 120
    assert shape_of("peak", Asked(users=50, seconds=5)).segments[-1] == Segment(5, 50)
    assert shape_of("day", Asked(scans=1000)).scans == 1000
    assert set(shape_names()) >= {"peak", "storm", "overload", "day", "showings"}


@pytest.mark.parametrize("parts", [1, 3])
def test_the_parts_of_an_open_load_together_offer_what_was_asked(parts: int) -> None:
    segments = (Segment(20, 100, is_measured=False), Segment(40, 500))
    offered = [list(moments(segments, part=part, parts=parts, seed=1)) for part in range(parts)]
    assert all(part == sorted(part) for part in offered)
    counts = Counter(is_measured for part in offered for _, is_measured in part)
    assert counts[False] == pytest.approx(2_000, rel=0.1)
    assert counts[True] == pytest.approx(20_000, rel=0.03)
    assert all(is_measured == (moment >= 20) for part in offered for moment, is_measured in part)


def test_people_come_independently_so_gaps_vary() -> None:
    offered = [moment for moment, _ in moments((Segment(60, 100),), part=0, parts=1, seed=1)]
    gaps = [later - earlier for earlier, later in pairwise(offered)]
    mean = sum(gaps) / len(gaps)
    assert sum((gap - mean) ** 2 for gap in gaps) / len(gaps) == pytest.approx(mean**2, rel=0.15)


def test_what_is_allotted_adds_up() -> None:
    assert allotted(10, [1, 1, 1]) == [4, 3, 3]
    assert allotted(1, [0.2, 0.5, 0.3]) == [0, 1, 0]
    assert sum(allotted(6_999_999, [point.weight for point in read_points(REFERENCE)])) == 6_999_999


@pytest.mark.parametrize(("scans", "parts"), [(1, 1), (997, 2), (60_000, 3)])
def test_a_day_has_exactly_the_scans_that_were_asked_for(scans: int, parts: int) -> None:
    profile, stations = read_profile(REFERENCE, "weekday"), stations_of(read_points(REFERENCE))
    batches = [
        b for part in range(parts) for b in day_batches(scans, profile, stations, part=part, parts=parts, seed=1)
    ]
    assert sum(len(batch.moments) for batch in batches) == scans
    assert all(1 <= len(batch.moments) <= BATCH_OF_A_DAY for batch in batches)
    assert all(list(batch.moments) == sorted(batch.moments) for batch in batches)


@pytest.mark.parametrize("name", ["weekday", "weekend"])
def test_a_day_has_the_shape_of_the_data(name: str) -> None:
    profile, stations = read_profile(REFERENCE, name), stations_of(read_points(REFERENCE))
    batches = list(day_batches(200_000, profile, stations, part=0, parts=1, seed=1))
    moments_of_day = [moment for batch in batches for moment in batch.moments]
    quarters = Counter(int((moment - profile.start_s) // QUARTER_S) for moment in moments_of_day)
    for quarter, share in enumerate(profile.shares):
        assert quarters[quarter] / 200_000 == pytest.approx(share, abs=0.0005)


def test_stations_have_the_weight_of_their_points() -> None:
    stations = stations_of(read_points(REFERENCE))
    assert (len(stations), sum(map(len, stations.values()))) == (271, 614)
    scans: Counter[str] = Counter()
    for batch in day_batches(100_000, read_profile(REFERENCE, "weekday"), stations, part=0, parts=1, seed=1):
        scans[batch.station] += len(batch.moments)
    for name, points in stations.items():
        assert scans[name] == pytest.approx(100_000 * sum(point.weight for point in points), abs=1)
