"""A pass cannot be at two gates at once; what is possible for a person is never held against one."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from services.checkpoints.domain.errors import ReuseRuleIncomplete
from services.checkpoints.domain.reuse import (
    Place,
    Sighting,
    distance_m,
    is_out_of_reach,
    read_reuse_rule,
    seconds_needed,
)
from services.checkpoints.domain.scans import Checkpoint, Entry
from services.checkpoints.positions import Positions, read_positions
from services.checkpoints.settings import HERE
from services.checkpoints.sightings import Sightings

DOCUMENT = json.loads((HERE / "reuse" / "default.json").read_text())
RULE = read_reuse_rule(DOCUMENT)
XILANG = Place(UUID(int=1), "S001", "440103", 113.22707, 23.06874)
AIRPORT = Place(UUID(int=2), "S999", "440114", 113.30, 23.39)
KENGKOU = Place(UUID(int=3), "S003", "440103", 113.22714, 23.08159)
VENUE = Place(UUID(int=4), "示例商场", "440103")
ELSEWHERE = Place(UUID(int=5), "示例医院", "440117")


def seen(place: Place, at_s: float) -> Sighting:
    return Sighting(uuid4(), place, at_s)


def test_the_distance_is_that_over_the_ground():
    assert distance_m(XILANG, AIRPORT) == pytest.approx(36_500, rel=0.02)
    assert distance_m(XILANG, VENUE) is None


@pytest.mark.parametrize(
    ("one", "other", "needed_s"),
    [
        (XILANG, XILANG, 0),
        (XILANG, replace(XILANG, checkpoint_id=UUID(int=9)), 0),
        (XILANG, KENGKOU, 0),
        (XILANG, AIRPORT, 730),
        (XILANG, VENUE, 0),
        (VENUE, ELSEWHERE, 60),
        (VENUE, replace(ELSEWHERE, district=""), 0),
        (VENUE, replace(VENUE, checkpoint_id=UUID(int=9)), 0),
        (VENUE, replace(VENUE, checkpoint_id=UUID(int=9), district="440117"), 60),
    ],
)
def test_what_it_takes_from_one_gate_to_another(one, other, needed_s):
    assert seconds_needed(RULE, one, other) == pytest.approx(needed_s, rel=0.02)
    assert seconds_needed(RULE, other, one) == seconds_needed(RULE, one, other)


def test_a_pass_is_out_of_reach_only_when_nobody_can_have_come():
    assert is_out_of_reach(RULE, seen(XILANG, 0), seen(AIRPORT, 60))
    assert is_out_of_reach(RULE, seen(AIRPORT, 60), seen(XILANG, 0))
    assert not is_out_of_reach(RULE, seen(XILANG, 0), seen(AIRPORT, 3600))
    assert is_out_of_reach(RULE, seen(VENUE, 0), seen(ELSEWHERE, 49))
    assert not is_out_of_reach(RULE, seen(VENUE, 0), seen(ELSEWHERE, 50))
    assert not is_out_of_reach(RULE, seen(XILANG, 0), seen(XILANG, 0))


@pytest.mark.parametrize("name", sorted(set(DOCUMENT)))
def test_a_rule_without_a_figure_is_refused(name):
    with pytest.raises(ReuseRuleIncomplete):
        read_reuse_rule({key: value for key, value in DOCUMENT.items() if key != name})


@pytest.mark.parametrize("value", [-1, "fast", None, float("inf")])
def test_a_rule_with_an_impossible_figure_is_refused(value):
    with pytest.raises(ReuseRuleIncomplete):
        read_reuse_rule(DOCUMENT | {"speed_m_s": value})


# -- the memory of a process -------------------------------------------------------------------------------------------


def a_checkpoint(venue: str, area: str = "440103001") -> Checkpoint:
    return Checkpoint(uuid4(), "metro", "A gate", venue, area, "")


POSITIONS = Positions({"S001": (XILANG.lng, XILANG.lat), "S999": (AIRPORT.lng, AIRPORT.lat)})
NEAR, FAR = a_checkpoint("S001"), a_checkpoint("S999", "440114001")
ENTRY = Entry(1, 7)


def test_the_second_gate_finds_a_pass_that_was_just_shown_far_away():
    memory = Sightings(RULE, POSITIONS)
    assert not memory.is_reused(ENTRY, NEAR, 1000, 1000)
    assert not memory.is_reused(ENTRY, NEAR, 1001, 1001)
    assert memory.is_reused(ENTRY, FAR, 1030, 1030)
    assert not memory.is_reused(Entry(1, 8), FAR, 1031, 1031)
    assert not memory.is_reused(Entry(2, 7), FAR, 1031, 1031)


def test_the_same_place_never_counts_even_through_another_gate():
    memory = Sightings(RULE, POSITIONS)
    memory.is_reused(ENTRY, NEAR, 1000, 1000)
    assert not memory.is_reused(ENTRY, a_checkpoint("S001"), 1000, 1000)


def test_a_checkpoint_that_moved_is_where_it_is_now():
    memory = Sightings(RULE, POSITIONS)
    memory.is_reused(ENTRY, NEAR, 1000, 1000)
    moved = replace(FAR, venue="S001", area=NEAR.area)
    assert not memory.is_reused(ENTRY, moved, 1001, 1001)


def test_memory_is_bounded_in_time_and_in_size():
    memory = Sightings(RULE, POSITIONS, sightings_max=10)
    memory.is_reused(ENTRY, NEAR, 1000, 1000)
    for idx in range(100, 130):
        memory.is_reused(Entry(1, idx), NEAR, 1001, 1001)
    assert not memory.is_reused(ENTRY, FAR, 1002, 1002)
    assert len(memory._young) + len(memory._old) <= 20
    later = 1002 + 3 * RULE.remember_s
    assert not memory.is_reused(ENTRY, NEAR, later, later)


def test_the_stations_of_the_reference_data_have_positions():
    positions = read_positions(HERE.parents[1] / "data" / "guangzhou" / "metro_stations.csv")
    assert positions.of(NEAR) == Place(NEAR.checkpoint_id, "S001", "440103", XILANG.lng, XILANG.lat)
    assert read_positions(None).of(NEAR).lng is None


def test_a_sighting_costs_next_to_nothing(capsys):
    memory = Sightings(RULE, POSITIONS)
    entries = [Entry(1, n) for n in range(100_000)]
    started = time.perf_counter()
    for n, entry in enumerate(entries):
        memory.is_reused(entry, NEAR if n % 2 else FAR, 1000 + n / 1000, 1000 + n / 1000)
    cost_us = (time.perf_counter() - started) / len(entries) * 1e6
    print(f"{cost_us:.2f} µs a sighting")
    assert cost_us < 50
