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


def test_a_second_try_does_not_cure_a_distance_that_nobody_can_have_made():
    memory = Sightings(RULE, POSITIONS)
    needed_s = int(seconds_needed(RULE, XILANG, AIRPORT) - RULE.clocks_apart_s)
    remembered_s = min(needed_s, int(RULE.remember_s))
    assert not memory.is_reused(ENTRY, NEAR, 1000, 1000)
    for at_s in range(1001, 1001 + remembered_s, 7):
        assert memory.is_reused(ENTRY, FAR, at_s, at_s), at_s - 1000
    assert not memory.is_reused(ENTRY, NEAR, 1005, 1005), "the holder is not held for the copy"
    assert not memory.is_reused(ENTRY, FAR, 1005 + remembered_s + 1, 1005 + remembered_s + 1)


VENUE_GATE, OTHER_GATE = a_checkpoint("示例商场"), a_checkpoint("示例医院", "440117001")
POSSIBLE_S = 50
"""From one district to another, less what clocks may differ by."""


def test_a_refused_sighting_is_believed_when_the_time_for_the_distance_is_over():
    memory = Sightings(RULE, POSITIONS)
    assert not memory.is_reused(ENTRY, VENUE_GATE, 1000, 1000)
    tries = [(at_s, memory.is_reused(ENTRY, OTHER_GATE, at_s, at_s)) for at_s in range(1001, 1100, 10)]
    assert tries == [(at_s, at_s < 1000 + POSSIBLE_S) for at_s in range(1001, 1100, 10)]


def test_where_two_places_alternate_for_hours_the_other_is_believed_once_the_first_is_quiet():
    """The pass is at one of them all the time; trying often neither helps at the other nor spoils it for later."""
    memory, end_s = Sightings(RULE, POSITIONS, sightings_max=5), 1000 + 3 * 3600
    for at_s in range(1000, end_s, 10):
        place = (VENUE_GATE, OTHER_GATE)[at_s // 10 % 2]
        assert memory.is_reused(ENTRY, place, at_s, at_s) == (place is OTHER_GATE)
        memory.is_reused(Entry(1, at_s), NEAR, at_s, at_s)
    last_s = end_s - 20
    tries = [(at_s, memory.is_reused(ENTRY, OTHER_GATE, at_s, at_s)) for at_s in range(end_s, end_s + 60, 5)]
    assert tries == [(at_s, at_s < last_s + POSSIBLE_S) for at_s, _ in tries]
    assert memory.is_reused(ENTRY, VENUE_GATE, end_s + 60, end_s + 60)


def test_a_sighting_that_comes_late_does_not_hide_a_newer_one():
    memory = Sightings(RULE, POSITIONS)
    assert not memory.is_reused(ENTRY, VENUE_GATE, 1300, 1300)
    assert not memory.is_reused(ENTRY, OTHER_GATE, 1000, 1301)
    assert not memory.is_reused(ENTRY, VENUE_GATE, 1100, 1301)
    assert memory.is_reused(ENTRY, OTHER_GATE, 1302, 1302)


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
