"""Derive the committed files of data/guangzhou from raw lists, byte for byte the same each time.

    python data/build_guangzhou.py --source DIR [--out DIR]

DIR holds `entry_profiles_15min.json` and, in `guangzhou/`, `areas.csv`, `streets.csv`, `communities.csv` (from
china-division, 2023), `linestation_official_2024.json` (the operator's lines and stations) and `guangzhou_stations.csv`
(a map service's coordinates). The raw lists are not part of the project. What a person had to label stands in
guangzhou_labels.py.

areas.csv           City, districts, streets and towns, communities, names as listed, sorted by code; a parent is
                    the code cut at 4, 6 or 9 digits.
metro_lines.csv     The operator's lines without the intercity ones (CJ…); parts of a line with one code are one row.
metro_stations.csv  One row per station number of the operator. A coordinate is the mean of the map's points of that
                    name, for tram stops from tram lines only, for metro from metro lines only; names are compared
                    without brackets and without the trams' prefix 地铁. A station the map does not know keeps an empty
                    coordinate: nothing is interpolated. Districts are hand labels.
checkpoints.csv     271 stations, 614 points, laid as below.
venues.csv          Sample checkpoints of the nine other kinds, spread over the districts in turn.
fever_clinics.csv   One sample fever clinic a district, for the whole of it.
entry_profiles_15min.json  Copied as it is.

The layout of checkpoints.csv:
1. choose  Stations inside the city: metro open in early 2020, then later metro, then tram stops, in the operator's
           order of lines and stations, until there are 271.
2. rank    The hand-ordered busiest first; the others by kilometres from the nearer of 公园前 and 体育西路, eight less
           for each further line, twelve more where only the APM stops, twenty more at a tram stop.
3. weigh   At rank r (0 is the busiest) 345·e^(−r/10) + 114·(1 − r/270) + 14, then scaled to a sum of 1.
4. allot   Two points each, one more at an interchange, then one at a time to the station whose points carry most, until
           there are 614.
5. divide  A station's weight equally over its points: nobody published how riders divide over entrances. Weights are
           kept in units of 10^-8, so they add up to exactly 1.
"""

import argparse
import csv
import json
import math
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from guangzhou_labels import (
    BUSIEST_FIRST,
    DISTRICT_NAMES_EN,
    DISTRICT_OF_STATION,
    DISTRICT_OF_TRAM_LINE,
    MAP_SPELLINGS,
    NAME_CORRECTIONS,
    NOT_A_STREET,
    OPENED_AFTER_EARLY_2020,
    PORT_STREETS,
    STREET_OF_STATION,
)

CITY = "4401"
STATIONS_LAID = 271
POINTS_LAID = 614
WEIGHT_UNITS = 10**8
CENTRES = ("公园前", "体育西路")
IDS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:guanka:data:guangzhou:checkpoints")
CHECKPOINT_COLUMNS = ("checkpoint_id", "kind", "name_zh", "name_en", "station_id", "area", "weight")

# kind: (word, how many, riders of one such place relative to a compound's residents)
VENUE_KINDS = {
    "bus": ("公交站", 15, 4),
    "road": ("道路卡口", 17, 6),
    "compound": ("小区", 24, 1),
    "building": ("楼宇", 10, 2),
    "mall": ("商场", 14, 5),
    "hospital": ("医院", 12, 4),
    "school": ("学校", 12, 2),
    "workplace": ("单位", 12, 1),
    "port": ("口岸", 4, 3),
}

# 社区居民委员会, 村民委员会 and the slips in the list (居委会会, 居委委员会, 居民居委会)
COMMITTEE = re.compile(r"(社区)?(居民)?(村民|居|村)?委(委|员)*会+$")


@dataclass(frozen=True, slots=True)
class Area:
    code: str
    name: str
    level: str

    @property
    def parent(self) -> str:
        return {"city": "", "district": self.code[:4], "street": self.code[:6], "community": self.code[:9]}[self.level]


@dataclass(slots=True)
class Station:
    """A station of the operator; `point` is (longitude, latitude) or None where the map does not know it."""

    number: int
    name_zh: str
    name_en: str
    lines: list[str] = field(default_factory=list)
    point: tuple[float, float] | None = None

    @property
    def key(self) -> str:
        return f"S{self.number:03d}"

    @property
    def bare_name(self) -> str:
        return self.name_zh.split("（")[0]

    @property
    def is_tram_stop(self) -> bool:
        return all(line in DISTRICT_OF_TRAM_LINE for line in self.lines)

    @property
    def district(self) -> str:
        if self.is_tram_stop:
            return DISTRICT_OF_TRAM_LINE[self.lines[0]]
        return DISTRICT_OF_STATION[self.bare_name]

    @property
    def is_in_city(self) -> bool:
        return self.district.startswith(CITY)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


# Areas


def areas_of(source: Path) -> list[Area]:
    levels = (("district", "areas.csv"), ("street", "streets.csv"), ("community", "communities.csv"))
    listed = [Area(row["code"], row["name"], level) for level, file in levels for row in read_csv(source / file)]
    return sorted([Area(CITY, "广州市", "city"), *listed], key=lambda area: area.code)


def area_rows(areas: list[Area]) -> Iterator[tuple[str, ...]]:
    english = {CITY: "Guangzhou", **DISTRICT_NAMES_EN}
    return ((area.code, area.name, area.level, area.parent, english.get(area.code, "")) for area in areas)


class Streets:
    """Finds the street a station stands in, or only its district where the name does not tell."""

    def __init__(self, areas: list[Area]) -> None:
        self._code_of_street = {(a.parent, a.name): a.code for a in areas if a.level == "street"}
        self._streets_of_community: dict[tuple[str, str], set[str]] = {}
        for area in areas:
            if area.level == "community":
                name = bare_community(area.name)
                self._streets_of_community.setdefault((area.code[:6], name), set()).add(area.parent)

    def area_of(self, station: Station) -> str:
        """The hand label, a street or town of that name, the only street with such a community, or the district."""
        district, name = station.district, station.bare_name.removeprefix("地铁")
        if name in STREET_OF_STATION:
            label = STREET_OF_STATION[name]
            return self._code_of_street[district, label] if label else district
        for suffix in ("街道", "镇"):
            if code := self._code_of_street.get((district, name + suffix)):
                return code
        candidates = self._streets_of_community.get((district, name), set())
        return next(iter(candidates)) if len(candidates) == 1 else district


def bare_community(name: str) -> str:
    return COMMITTEE.sub("", name).removesuffix("社区")


# Metro


def metro_of(source: Path) -> tuple[list[tuple[str, ...]], list[Station]]:
    """The lines' rows, and the stations in the operator's order of lines and stations."""
    listed = json.loads((source / "linestation_official_2024.json").read_text("utf-8"))["businessObject"]
    lines: dict[str, tuple[str, ...]] = {}
    stations: dict[int, Station] = {}
    for line in sorted(listed, key=lambda line: (line["orderNum"], line["lineId"])):
        code = line["lineShowCode"]
        if code.startswith("CJ"):
            continue
        # A branch (三北线, 十四号线(知识城)) follows its line in this order, so the line's own name is kept.
        row = (code, line["lineName"], clean_english(line["lineNameEn"]), f"#{line['lineColor'][:6].lower()}")
        lines.setdefault(code, row)
        for entry in sorted(line["stations"], key=lambda entry: entry["orderNum"]):
            station = stations.setdefault(entry["stationId"], station_of(entry))
            if code not in station.lines:
                station.lines.append(code)
    place(stations.values(), source)
    return sorted(lines.values(), key=lambda row: line_order(row[0])), list(stations.values())


def station_of(entry: dict[str, Any]) -> Station:
    zh, en = entry["stationName"].strip(), clean_english(entry["stationNameEn"])
    return Station(entry["stationId"], NAME_CORRECTIONS.get(zh, zh), NAME_CORRECTIONS.get(en, en))


def clean_english(text: str) -> str:
    text = text.replace("（", " (").replace("(", " (").replace("）", ")").replace("’", "'")
    return " ".join(text.split())


def line_order(code: str) -> tuple[int, str]:
    return (int(code), "") if code.isdigit() else (1000, code)


def place(stations: Iterable[Station], source: Path) -> None:
    points: dict[tuple[bool, str], set[tuple[float, float]]] = {}
    for row in read_csv(source / "guangzhou_stations.csv"):
        if "城际" not in row["line"]:
            key = ("有轨" in row["line"], map_name(row["station"]))
            points.setdefault(key, set()).add((float(row["lng"]), float(row["lat"])))
    for station in stations:
        name = map_name(station.bare_name)
        found = sorted(points.get((station.is_tram_stop, MAP_SPELLINGS.get(name, name)), ()))
        if found:
            lng, lat = (math.fsum(values) / len(found) for values in zip(*found, strict=True))
            station.point = (round(lng, 5), round(lat, 5))


def map_name(name: str) -> str:
    return name.replace("（", "(").split("(")[0].removeprefix("地铁").strip()


def station_rows(stations: list[Station]) -> Iterator[tuple[str, ...]]:
    for station in sorted(stations, key=lambda station: station.number):
        lng, lat = (f"{value:.5f}" for value in station.point) if station.point else ("", "")
        lines = ";".join(sorted(station.lines, key=line_order))
        inside = "yes" if station.is_in_city else "no"
        yield station.key, station.name_zh, station.name_en, lines, lng, lat, station.district, inside


# The layout of the screening points


def chosen(stations: list[Station]) -> list[Station]:
    def turn(station: Station) -> int:
        return 2 if station.is_tram_stop else int(station.name_zh in OPENED_AFTER_EARLY_2020)

    inside = sorted((station for station in stations if station.is_in_city), key=turn)
    return inside[:STATIONS_LAID]


def ranked(stations: list[Station]) -> list[Station]:
    centres = [station.point for station in stations if station.name_zh in CENTRES and station.point]

    def kilometres(station: Station) -> float:
        assert station.point is not None, f"{station.name_zh} has no coordinate"
        distance = min(distance_km(station.point, centre) for centre in centres)
        only_apm = 12 if station.lines == ["APM"] else 0
        tram = 20 if station.is_tram_stop else 0
        return distance - 8 * (len(station.lines) - 1) + only_apm + tram

    def rank(station: Station) -> tuple[int, float, int]:
        famous = not station.is_tram_stop and station.bare_name in BUSIEST_FIRST
        place = BUSIEST_FIRST.index(station.bare_name) if famous else len(BUSIEST_FIRST)
        return place, round(kilometres(station), 3), station.number

    return sorted(stations, key=rank)


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    east = (a[0] - b[0]) * 111.32 * math.cos(math.radians(23.1))
    return math.hypot(east, (a[1] - b[1]) * 110.6)


def riders(rank: int) -> int:
    """Thousandths of a rider a minute, before scaling."""
    return round(1000 * (345 * math.exp(-rank / 10) + 114 * (1 - rank / (STATIONS_LAID - 1)) + 14))


def shares(amounts: Sequence[int]) -> list[int]:
    """Scale to WEIGHT_UNITS; what rounding down leaves goes to the largest remainders."""
    exact = [Fraction(amount * WEIGHT_UNITS, sum(amounts)) for amount in amounts]
    units = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (units[i] - exact[i], i))
    for i in by_remainder[: WEIGHT_UNITS - sum(units)]:
        units[i] += 1
    return units


def allotted(stations: list[Station], units: list[int]) -> list[int]:
    points = [3 if len(station.lines) > 1 else 2 for station in stations]
    while sum(points) < POINTS_LAID:
        fullest = max(range(len(points)), key=lambda i: (Fraction(units[i], points[i]), -i))
        points[fullest] += 1
    return points


def checkpoint_rows(stations: list[Station], streets: Streets) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    laid = ranked(chosen(stations))
    units = shares([riders(rank) for rank in range(len(laid))])
    for station, weight, points in sorted(
        zip(laid, units, allotted(laid, units), strict=True), key=lambda item: item[0].number
    ):
        suffix = "" if station.name_zh.endswith("站") else "站"
        for index in range(points):
            share = weight // points + (index < weight % points)
            rows.append(
                (
                    checkpoint_id(station.key, index + 1),
                    "metro",
                    f"{station.name_zh}{suffix}安检点 {index + 1:02d}",
                    f"{station.name_en}, screening point {index + 1:02d}",
                    station.key,
                    streets.area_of(station),
                    weight_text(share),
                )
            )
    return rows


def checkpoint_id(*parts: str | int) -> str:
    return str(uuid.uuid5(IDS, "/".join(map(str, parts))))


def weight_text(units: int) -> str:
    return f"{units / WEIGHT_UNITS:.8f}"


# Sample venues


def venue_rows(areas: list[Area]) -> list[tuple[str, ...]]:
    sites = [(kind, area) for kind, (_, count, _) in VENUE_KINDS.items() for area in venue_areas(kind, count, areas)]
    units = shares([VENUE_KINDS[kind][2] for kind, _ in sites])
    numbers: Counter[tuple[str, str]] = Counter()
    rows: list[tuple[str, ...]] = []
    for (kind, area), weight in zip(sites, units, strict=True):
        numbers[kind, area.code] += 1
        number = numbers[kind, area.code]
        rows.append(
            (
                checkpoint_id(kind, area.code, number),
                kind,
                f"{place_name(area)}示例{VENUE_KINDS[kind][0]} {number:02d}",
                f"Sample {kind} {number:02d}, {DISTRICT_NAMES_EN[area.code[:6]]} ({area.code})",
                "",
                area.code,
                weight_text(weight),
            )
        )
    return rows


def place_name(area: Area) -> str:
    if area.level == "street":
        return area.name
    name = bare_community(area.name)
    return name if name.endswith(("村", "生活区")) else f"{name}社区"


def venue_areas(kind: str, count: int, areas: list[Area]) -> Iterator[Area]:
    """Districts in turn; within a district evenly spaced streets, each kind starting elsewhere."""
    streets = [area for area in areas if area.level == "street" and area.name not in NOT_A_STREET]
    if kind == "port":
        yield from [area for area in streets if area.name in PORT_STREETS][:count]
        return
    start = list(VENUE_KINDS).index(kind)
    districts = sorted({area.parent for area in streets})
    for index in range(count):
        district = districts[(index + start) % len(districts)]
        own = [area for area in streets if area.parent == district]
        street = own[(start * 3 + index // len(districts) * 5 + index) % len(own)]
        if kind == "compound":
            communities = [area for area in areas if area.level == "community" and area.parent == street.code]
            yield communities[index % len(communities)]
        else:
            yield street


def clinic_rows(areas: list[Area]) -> list[tuple[str, ...]]:
    return [
        (
            f"FC{area.code}01",
            f"{area.name}示例发热门诊 01",
            f"Sample fever clinic 01, {DISTRICT_NAMES_EN[area.code]}",
            area.code,
        )
        for area in areas
        if area.level == "district"
    ]


def build(source: Path, out: Path) -> None:
    raw = source / "guangzhou"
    out.mkdir(parents=True, exist_ok=True)
    areas = areas_of(raw)
    lines, stations = metro_of(raw)
    station_columns = ("station_id", "name_zh", "name_en", "lines", "lng", "lat", "district", "in_city")
    write_csv(out / "areas.csv", ("code", "name", "level", "parent", "name_en"), area_rows(areas))
    write_csv(out / "metro_lines.csv", ("line", "name_zh", "name_en", "colour"), lines)
    write_csv(out / "metro_stations.csv", station_columns, station_rows(stations))
    write_csv(out / "checkpoints.csv", CHECKPOINT_COLUMNS, checkpoint_rows(stations, Streets(areas)))
    write_csv(out / "venues.csv", CHECKPOINT_COLUMNS, venue_rows(areas))
    write_csv(out / "fever_clinics.csv", ("clinic_id", "name_zh", "name_en", "area"), clinic_rows(areas))
    shutil.copyfile(source / "entry_profiles_15min.json", out / "entry_profiles_15min.json")


def main() -> None:
    parser = argparse.ArgumentParser(description="Derive data/guangzhou from the raw lists.")
    parser.add_argument("--source", type=Path, required=True, help="folder of the raw lists")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "guangzhou")
    arguments = parser.parse_args()
    build(arguments.source, arguments.out)


if __name__ == "__main__":
    main()
