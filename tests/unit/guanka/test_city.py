"""The plan of the demo's morning: real places and shapes, made-up people, the same for the same seed."""

from __future__ import annotations

from collections import Counter

from guanka.demo.case import choose_case, expected_contacts
from guanka.demo.city import Gate, morning_shares, plan_city, read_gates
from guanka.demo.riders import Scanned
from guanka.home import REFERENCE


def test_the_same_seed_gives_the_same_morning_to_other_people() -> None:
    one, two = (plan_city(REFERENCE, people=200, seed=7, run=run) for run in ("a", "b"))
    assert [(v.citizen, v.gate, v.moment) for v in one.visits] == [(v.citizen, v.gate, v.moment) for v in two.visits]
    assert {c.number for c in one.citizens}.isdisjoint(c.number for c in two.citizens)
    assert plan_city(REFERENCE, people=200, seed=8, run="a").visits != one.visits


def test_everybody_rides_once_and_visits_are_in_order_of_time() -> None:
    city = plan_city(REFERENCE, people=500, seed=1, run="a")
    rides = Counter(visit.citizen for visit in city.visits if visit.gate.kind == "metro")
    assert set(rides) == set(range(500))
    assert set(rides.values()) == {1}
    assert [v.moment for v in city.visits] == sorted(v.moment for v in city.visits)
    assert 0 <= city.visits[0].moment <= city.visits[-1].moment == 1


def test_the_busiest_quarter_of_the_morning_is_the_measured_one() -> None:
    shares = morning_shares(REFERENCE)
    assert abs(sum(shares) - 1) < 1e-9
    assert shares.index(max(shares)) == 11  # 07:45


def test_every_gate_is_of_the_reference_data() -> None:
    metro, venues = read_gates(REFERENCE)
    assert len(metro) == 614
    known = {gate.checkpoint_id for gate in (*metro, *venues)}
    assert {v.gate.checkpoint_id for v in plan_city(REFERENCE, people=300, seed=2, run="a").visits} <= known


def test_contacts_are_expected_by_window_and_kind() -> None:
    mall, metro, bus = (Gate(kind, kind, kind, "440103", 1.0) for kind in ("mall", "metro", "bus"))

    def scan(citizen: int, gate: Gate, at: float) -> Scanned:
        return Scanned(f"{citizen}{at}", citizen, gate, "pass", "green", None, at, at, 1.0)

    scans = [
        scan(0, mall, 1000), scan(1, mall, 1000 + 1800), scan(2, mall, 1000 - 1801),
        scan(0, metro, 5000), scan(3, metro, 5120), scan(4, metro, 5121),
        scan(0, bus, 9000), scan(5, bus, 9000),
    ]  # fmt: skip
    assert expected_contacts(scans, 0) == {1, 3}


def test_the_case_is_somebody_untouched_who_met_most_untouched_people() -> None:
    malls = [Gate(f"mall{n}", "mall", "mall", "440103", 1.0) for n in range(2)]

    def scan(citizen: int, gate: Gate) -> Scanned:
        return Scanned(f"{citizen}", citizen, gate, "pass", "green", None, 1000, 1000, 1.0)

    scans = [*(scan(n, malls[0]) for n in range(5)), *(scan(n, malls[1]) for n in range(10, 13))]
    assert choose_case(scans, set(range(20)), contacts_max=400) == (0, {1, 2, 3, 4})
    assert choose_case(scans, {4, 10, 11, 12}, contacts_max=400) == (10, {11, 12})
    assert choose_case(scans, set(range(20)), contacts_max=3) == (10, {11, 12})
    assert choose_case(scans, set(), contacts_max=400) == (-1, set())
