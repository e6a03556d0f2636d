"""The city of the demo: who lives there, and who is where on a weekday morning. Pure: the same seed, the same morning.

Places and shapes are real (`data/guangzhou`): the area tree, 614 metro screening points with their weights, venues, and
the measured share of a weekday's metro entries in each quarter of an hour. People are made up, and say so.
"""

from __future__ import annotations

import csv
import json
import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

PROFILE = "beijing_weekday_2016"
MORNING_HOURS = (5.0, 12.0)
_VENUE_SHARE = 0.4
_SYMPTOMS_SHARE = 0.004
_UNDECLARED_SHARE = 0.01
_FEVER_SHARE = 0.0005
_VENUE_DELAY = (0.03, 0.12)
MEETING_KINDS = frozenset({"mall", "workplace", "school", "hospital", "building", "port"})


@dataclass(frozen=True, slots=True)
class Gate:
    """A checkpoint of the reference data; `weight` is its share of the scans of its file."""

    checkpoint_id: str
    kind: str
    name: str
    area: str
    weight: float


@dataclass(frozen=True, slots=True)
class Citizen:
    """A made-up person; `community` is a real area code."""

    number: str
    name: str
    community: str
    temperature_c: float
    symptoms: tuple[str, ...]
    declares: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """A citizen (by index) at a gate, at a moment of the morning between 0 and 1; temperature as the gate measures."""

    citizen: int
    gate: Gate
    moment: float
    temperature_c: float


@dataclass(frozen=True, slots=True)
class City:
    citizens: list[Citizen]
    visits: list[Visit]


def read_gates(folder: Path) -> tuple[list[Gate], list[Gate]]:
    """The metro's screening points, and the venues."""
    return _read(folder / "checkpoints.csv"), _read(folder / "venues.csv")


def _read(path: Path) -> list[Gate]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Gate(row["checkpoint_id"], row["kind"], row["name_zh"], row["area"], float(row["weight"]))
            for row in csv.DictReader(file)
        ]


def morning_shares(folder: Path) -> list[float]:
    """Shares of the morning's entries per quarter of an hour, adding up to 1."""
    profile = json.loads((folder / "entry_profiles_15min.json").read_text())[PROFILE]
    hour, minute = map(int, profile["start"].split(":"))
    start = hour + minute / 60
    shares = [
        share
        for n, share in enumerate(profile["share"])
        if MORNING_HOURS[0] <= start + n * profile["step_min"] / 60 < MORNING_HOURS[1]
    ]
    total = sum(shares)
    return [share / total for share in shares]


def plan_city(folder: Path, *, people: int, seed: int, run: str) -> City:
    """Everybody and every visit, in order of time; who goes on from the station goes on in its district.

    `run` (short, letters and digits) sets this run's people apart.
    """
    chance = random.Random(seed)  # noqa: S311 (a plan, not a secret)
    communities = _communities(folder)
    metro, venues = read_gates(folder)
    near = {gate.area[:6]: [venue for venue in venues if venue.area[:6] == gate.area[:6]] for gate in metro}
    citizens = [_citizen(chance, n, run, communities) for n in range(people)]
    moments = _moments(chance, morning_shares(folder), people)
    visits = []
    for n, moment, station in zip(range(people), moments, _choose(chance, metro, people), strict=True):
        visits.append(_visit(chance, n, station, moment))
        if chance.random() < _VENUE_SHARE:
            nearby = near[station.area[:6]] or venues
            visits.append(_visit(chance, n, _choose(chance, nearby, 1)[0], moment + chance.uniform(*_VENUE_DELAY)))
    latest = max(visit.moment for visit in visits)
    visits = [Visit(v.citizen, v.gate, v.moment / latest, v.temperature_c) for v in visits]
    return City(citizens, sorted(visits, key=lambda visit: visit.moment))


def _communities(folder: Path) -> list[str]:
    with (folder / "areas.csv").open(newline="", encoding="utf-8") as file:
        return [row["code"] for row in csv.DictReader(file) if row["level"] == "community"]


def _citizen(chance: random.Random, n: int, run: str, communities: Sequence[str]) -> Citizen:
    symptoms = ("dry_cough",) if chance.random() < _SYMPTOMS_SHARE else ()
    return Citizen(
        number=f"DEMO{run}{n:08d}".upper(),
        name=f"示例市民{n}",
        community=chance.choice(communities),
        temperature_c=round(chance.gauss(36.5, 0.2), 1),
        symptoms=symptoms,
        declares=chance.random() >= _UNDECLARED_SHARE,
    )


def _moments(chance: random.Random, shares: Sequence[float], count: int) -> list[float]:
    """Moments of the morning, as dense as the profile: a quarter by its share, evenly within it."""
    bounds = list(accumulate(shares))
    quarters = (min(bisect(bounds, chance.random()), len(shares) - 1) for _ in range(count))
    return [(quarter + chance.random()) / len(shares) for quarter in quarters]


def _choose(chance: random.Random, gates: Sequence[Gate], count: int) -> list[Gate]:
    return chance.choices(gates, weights=[gate.weight for gate in gates], k=count)


def _visit(chance: random.Random, citizen: int, gate: Gate, moment: float) -> Visit:
    has_fever = chance.random() < _FEVER_SHARE
    temperature_c = chance.uniform(37.4, 38.8) if has_fever else min(37.2, chance.gauss(36.5, 0.2))
    return Visit(citizen, gate, moment, round(temperature_c, 1))
