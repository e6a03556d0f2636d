"""Which times and facts are let in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from city.areas import read_areas
from services.codes.domain.bounds import misplaced_in_declaration, misplaced_in_evidence
from services.codes.domain.dossier import Evidence, Stay

AREAS = read_areas(Path(__file__).resolve().parents[3] / "data" / "guangzhou" / "areas.csv")
NOW = datetime(2020, 2, 20, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def fields(found: list[tuple[str, str]]) -> list[str]:
    return [field for field, _ in found]


def test_a_declaration_lies_between_seven_days_ago_and_five_minutes_ahead() -> None:
    for made_at, faults in [
        (NOW - timedelta(days=7), []),
        (NOW - timedelta(days=7) - INSTANT, ["made_at"]),
        (NOW + timedelta(minutes=5), []),
        (NOW + timedelta(minutes=5) + INSTANT, ["made_at"]),
    ]:
        assert fields(misplaced_in_declaration(made_at, [], AREAS, NOW)) == faults


def test_a_stay_of_no_length_is_a_stay_and_one_backwards_is_not() -> None:
    right, backwards = Stay("420105", NOW, NOW), Stay("420105", NOW, NOW - INSTANT)
    assert fields(misplaced_in_declaration(NOW, [right, backwards], AREAS, NOW)) == ["stays.1.from"]


def test_a_stay_is_in_an_area_that_there_is() -> None:
    stays = [Stay(area, NOW, NOW) for area in ("440106", "420105", "44010600", "4401110", "440199", "99")]
    found = misplaced_in_declaration(NOW, stays, AREAS, NOW)
    assert fields(found) == ["stays.2.area", "stays.3.area", "stays.4.area", "stays.5.area"]


def evidence(kind: str, area: str | None = None, **facts: Any) -> Evidence:
    return Evidence(uuid4(), kind, None if area else uuid4(), area, facts, NOW, "test")


def test_the_facts_that_a_kind_needs_are_asked_for() -> None:
    times = {"from": "2020-02-10T08:00:00+08:00", "to": "2020-02-11T08:00:00Z"}
    for given, faults in [
        (evidence("vaccination", anything=1), []),
        (evidence("area_risk", "420105", level="low"), []),
        (evidence("area_risk", "420105", level=3), ["facts.level"]),
        (evidence("area_risk", level="high"), ["area"]),
        (evidence("area_risk", "4401110", level="high"), ["area"]),
        (evidence("area_risk", "44010600", level="high"), ["area"]),
        (evidence("area_risk", "440199", level="high"), ["area"]),
        (evidence("area_risk", "11010", level="high"), ["area"]),
        (evidence("area_risk", "3101150", level="high"), ["area"]),
        (evidence("area_risk", "990101", level="high"), ["area"]),
        (evidence("area_risk", "440106", level="high"), []),
        (evidence("area_risk", "420100", level="high"), []),
        (evidence("disinfection", "44010600"), ["area"]),
        (Evidence(uuid4(), "travel", uuid4(), None, {"area": "44010600", **times}, NOW, "test"), ["facts.area"]),
        (evidence("stay", area_="420105"), ["facts"]),
        (Evidence(uuid4(), "stay", uuid4(), None, {"area": "420105", **times}, NOW, "test"), []),
        (Evidence(uuid4(), "stay", uuid4(), None, {"area": "Wuhan", **times}, NOW, "test"), ["facts"]),
        (Evidence(uuid4(), "stay", uuid4(), None, {"area": "420105", **times, "to": "soon"}, NOW, "test"), ["facts"]),
    ]:
        assert fields(misplaced_in_evidence(given, AREAS, NOW, "")) == faults
