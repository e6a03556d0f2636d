"""The reference data of Guangzhou is complete, hangs together, and comes out of its builder byte for byte."""

import csv
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "data"
GUANGZHOU = DATA / "guangzhou"
BUILT = (
    "areas.csv",
    "metro_lines.csv",
    "metro_stations.csv",
    "checkpoints.csv",
    "venues.csv",
    "fever_clinics.csv",
    "entry_profiles_15min.json",
)
LEVEL_BY_LENGTH = {4: "city", 6: "district", 9: "street", 12: "community"}
PARENT_LENGTH = {4: 0, 6: 4, 9: 6, 12: 9}
RIDERS_A_DAY = 7_000_000


def rows(name: str) -> list[dict[str, str]]:
    with (GUANGZHOU / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def riders_in_the_peak_minute() -> float:
    profile = json.loads((GUANGZHOU / "entry_profiles_15min.json").read_text("utf-8"))["beijing_weekday_2016"]
    return RIDERS_A_DAY * max(profile["share"]) / profile["step_min"]


def test_the_tree_has_every_district_street_and_community_of_the_list():
    levels = Counter(area["level"] for area in rows("areas.csv"))
    assert levels == {"city": 1, "district": 11, "street": 178, "community": 2851}


def test_a_code_begins_with_its_parents_code_and_the_parent_exists():
    areas = rows("areas.csv")
    codes = [area["code"] for area in areas]
    known = set(codes)
    assert codes == sorted(known)
    for area in areas:
        code, parent = area["code"], area["parent"]
        assert area["level"] == LEVEL_BY_LENGTH[len(code)]
        assert parent == code[: PARENT_LENGTH[len(code)]]
        assert parent in known or area["level"] == "city"
        assert area["name"]
        assert bool(area["name_en"]) == (area["level"] in {"city", "district"})


def test_a_station_stops_only_at_listed_lines_and_every_line_has_a_station():
    lines = {line["line"] for line in rows("metro_lines.csv")}
    served = {line for station in rows("metro_stations.csv") for line in station["lines"].split(";")}
    assert served == lines
    assert not any(line.startswith("CJ") for line in lines)


def test_station_ids_are_unique_and_a_stations_district_says_whether_it_lies_in_the_city():
    stations = rows("metro_stations.csv")
    districts = {area["code"] for area in rows("areas.csv") if area["level"] == "district"}
    assert len({station["station_id"] for station in stations}) == len(stations) == 350
    for station in stations:
        assert (station["in_city"] == "yes") == (station["district"] in districts)
        assert station["district"] in districts | {"440604", "440605", "440606"}
    assert sum(station["in_city"] == "yes" for station in stations) == 279


def test_every_station_in_the_city_has_a_coordinate_near_the_city():
    stations = rows("metro_stations.csv")
    placed = [station for station in stations if station["lng"]]
    for station in placed:
        assert 112.9 < float(station["lng"]) < 114.1, station["name_zh"]
        assert 22.5 < float(station["lat"]) < 24.0, station["name_zh"]
    assert len(stations) - len(placed) == 33
    assert all(station["lng"] for station in stations if station["in_city"] == "yes")


def test_271_stations_inside_the_city_carry_614_screening_points():
    inside = {station["station_id"]: station for station in rows("metro_stations.csv") if station["in_city"] == "yes"}
    checkpoints = rows("checkpoints.csv")
    points = Counter(checkpoint["station_id"] for checkpoint in checkpoints)
    assert len(checkpoints) == 614
    assert len(points) == 271
    assert points.keys() <= inside.keys()
    assert min(points.values()) == 2
    assert all(points[key] >= 3 for key in points if ";" in inside[key]["lines"])
    assert {checkpoint["kind"] for checkpoint in checkpoints} == {"metro"}
    assert all(c["area"].startswith(inside[c["station_id"]]["district"]) for c in checkpoints)


def test_venues_cover_the_nine_other_kinds_and_every_district_and_say_that_they_are_samples():
    venues = rows("venues.csv")
    kinds = {"bus", "road", "compound", "building", "mall", "hospital", "school", "workplace", "port"}
    assert len(venues) == 120
    assert {venue["kind"] for venue in venues} == kinds
    assert len({venue["area"][:6] for venue in venues}) == 11
    assert all("示例" in venue["name_zh"] and venue["name_en"].startswith("Sample ") for venue in venues)
    assert all(len(venue["area"]) == (12 if venue["kind"] == "compound" else 9) for venue in venues)


def test_every_checkpoint_has_its_own_id_and_name_and_stands_in_an_area_of_the_tree():
    codes = {area["code"] for area in rows("areas.csv")}
    everywhere = rows("checkpoints.csv") + rows("venues.csv")
    assert len({checkpoint["checkpoint_id"] for checkpoint in everywhere}) == len(everywhere)
    assert len({checkpoint["name_zh"] for checkpoint in rows("checkpoints.csv")}) == 614
    assert {checkpoint["area"] for checkpoint in everywhere} <= codes


@pytest.mark.parametrize("name", ["checkpoints.csv", "venues.csv"])
def test_weights_add_up_to_exactly_one(name):
    weights = [Decimal(checkpoint["weight"]) for checkpoint in rows(name)]
    assert min(weights) > 0
    assert sum(weights) == 1


def test_the_peak_minute_loads_stations_and_checkpoints_as_the_field_reports_say():
    peak = riders_in_the_peak_minute()
    loads = [float(checkpoint["weight"]) * peak for checkpoint in rows("checkpoints.csv")]
    by_station: Counter[str] = Counter()
    for checkpoint, load in zip(rows("checkpoints.csv"), loads, strict=True):
        by_station[checkpoint["station_id"]] += load
    assert 400 <= max(by_station.values()) <= 430
    assert 30 <= statistics.median(loads) <= 34
    assert max(loads) < 75, "nobody looks at more than 75 people a minute at one point"


def test_each_entry_profile_is_a_whole_day():
    profiles = json.loads((GUANGZHOU / "entry_profiles_15min.json").read_text("utf-8"))
    assert len(profiles) == 3
    for profile in profiles.values():
        assert sum(profile["share"]) == pytest.approx(1, abs=1e-3)


def test_committed_files_are_small_and_in_plain_utf8_lines():
    for path in GUANGZHOU.iterdir():
        content = path.read_bytes()
        assert len(content) < 400_000
        assert b"\r" not in content
        assert not content.startswith(b"\xef\xbb\xbf")
        content.decode("utf-8")


def test_rebuilding_gives_the_same_bytes(tmp_path):
    source = os.environ.get("GUANKA_RAW_DATA")
    if not source:
        pytest.skip("GUANKA_RAW_DATA names no folder: the raw lists are not part of the project")
    builder = [sys.executable, str(DATA / "build_guangzhou.py"), "--source", source, "--out", str(tmp_path)]
    subprocess.run(builder, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(BUILT)
    for name in BUILT:
        assert (tmp_path / name).read_bytes() == (GUANGZHOU / name).read_bytes(), name
