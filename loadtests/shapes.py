"""What is offered, and when: the shapes of the load, from the reference data. Pure: the same seed, the same load.

`data/guangzhou/entry_profiles_15min.json` gives a day's metro entries per quarter of an hour, `checkpoints.csv` the
weight of each of the 614 screening points. A shape is either open (moments fixed beforehand, whether or not the service
keeps up) or closed (the next request goes when the last was answered: as fast as they go).
"""

from __future__ import annotations

import csv
import heapq
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

SCANS_A_DAY = 7_000_000
PEAK_PER_S = 343.0
"""The worst ten minutes of a weekday at seven million riders; the busiest quarter of an hour of the data has 331."""
STORM_TIMES = 10
OVERLOAD_LIMIT_PER_S, OVERLOAD_TIMES = 800.0, 3
LADDER_STEPS = tuple(range(1, 11))
PROFILES = {
    "weekday": "beijing_weekday_2016",
    "weekday-hangzhou": "hangzhou_weekday_2019-01-21..25",
    "weekend": "hangzhou_weekend_2019-01-19..20",
}
QUARTER_S = 900
PATIENCE_S = 30.0
"""How long who is refused comes again; then the gate decides offline and uploads later, which no shape plays."""
BATCH_OF_A_DAY = 500
"""Scans that a station's concentrator collects before it sends them, in `day`."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`seconds` at `scans_per_s`; what is not measured is offered and counted like the rest, but has no percentiles."""

    seconds: float
    scans_per_s: float
    is_measured: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """`scenario` names a module of scenarios/; `users` is how many clients Locust runs.

    Open shapes have segments; closed ones have none: `day` ends with its scans, `showings` after `seconds`.
    """

    name: str
    scenario: str
    users: int
    segments: tuple[Segment, ...] = ()
    retries: bool = True
    seconds: float = 0.0
    scans: int = 0
    profile: str = "weekday"
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def is_open(self) -> bool:
        return bool(self.segments)

    @property
    def duration_s(self) -> float:
        return sum(segment.seconds for segment in self.segments) or self.seconds


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller of `make load` asked for; None where nothing was said."""

    users: int | None = None
    seconds: float | None = None
    minutes: float | None = None
    scans: int | None = None
    profile: str = "weekday"

    def duration_s(self, otherwise: float) -> float:
        if self.seconds is not None:
            return self.seconds
        return otherwise if self.minutes is None else self.minutes * 60


LEAD_IN_S = 10.0
"""Before what is measured: every gate signs on, and its token is verified for the first time."""
GATES_MAX = 614
READERS_A_GATE = 0.5
"""A gate has one line; every second gate has a card reader beside it, with a line of its own."""


def shape_of(name: str, asked: Asked) -> Shape:
    """Raises KeyError for a name that is no shape's. In open shapes `users` is the scans offered a second."""
    return _SHAPES[name](asked)


def shape_names() -> list[str]:
    return list(_SHAPES)


def _peak(asked: Asked) -> Shape:
    rate = float(asked.users or PEAK_PER_S)
    return Shape("peak", "gates", _lines(rate), _led_in(rate, Segment(asked.duration_s(600.0), rate)))


def _storm(asked: Asked) -> Shape:
    """Eight o'clock sharp: from one second to the next, ten times the worst that a day without news has."""
    rate = float(asked.users or PEAK_PER_S * STORM_TIMES)
    return Shape("storm", "gates", _lines(rate), _led_in(rate / STORM_TIMES, Segment(asked.duration_s(60.0), rate)))


def _overload(asked: Asked) -> Shape:
    """Admission is limited on purpose. Who is refused does not come again, so that what is offered stays what it is."""
    rate = float(asked.users or OVERLOAD_LIMIT_PER_S * OVERLOAD_TIMES)
    segments = _led_in(rate, Segment(asked.duration_s(60.0), rate))
    limit = (("SCAN_ADMISSION_PER_S", f"{OVERLOAD_LIMIT_PER_S:.0f}"),)
    return Shape("overload", "gates", _lines(rate), segments, retries=False, settings=limit)


def _ladder(asked: Asked) -> Shape:
    """One to ten times the peak, step by step: how latency grows with what is offered."""
    rate, step_s = float(asked.users or PEAK_PER_S), asked.duration_s(15.0)
    steps = (Segment(step_s, rate * times) for times in LADDER_STEPS)
    return Shape("ladder", "gates", _lines(GATES_MAX), _led_in(rate, *steps), retries=False)


def _led_in(rate: float, *segments: Segment) -> tuple[Segment, ...]:
    return Segment(min(LEAD_IN_S, segments[0].seconds), rate, is_measured=False), *segments


def _day(asked: Asked) -> Shape:
    return Shape("day", "concentrators", asked.users or 4, scans=asked.scans or SCANS_A_DAY, profile=asked.profile)


def _showings(asked: Asked) -> Shape:
    return Shape("showings", "riders", asked.users or 16, retries=False, seconds=asked.duration_s(60.0))


_SHAPES = {"peak": _peak, "storm": _storm, "overload": _overload, "ladder": _ladder, "day": _day, "showings": _showings}


def _lines(rate: float) -> int:
    return max(2, round(min(GATES_MAX, rate) * (1 + READERS_A_GATE)))


# -- moments of open shapes ----------------------------------------------------------------------------------------


def moments(
    segments: Sequence[Segment], *, part: int, parts: int, seed: int, share: float = 1.0
) -> Iterator[tuple[float, bool]]:
    """(seconds from the start, is it measured) of every scan that one of `parts` processes offers, or a share of them.

    People come independently of each other (a Poisson process), so parts and shares together are the whole.
    """
    chance = random.Random(f"{seed}/{part}/{share}")  # noqa: S311 (a load, no secret)
    start = 0.0
    for segment in segments:
        end, rate = start + segment.seconds, segment.scans_per_s * share / parts
        moment = start + chance.expovariate(rate)
        while moment < end:
            yield moment, segment.is_measured
            moment += chance.expovariate(rate)
        start = end


# -- places --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """A screening point; `weight` is its share of all scans."""

    checkpoint_id: str
    station: str
    weight: float


def read_points(folder: Path) -> list[Point]:
    """The metro's screening points, in the order of the file."""
    with (folder / "checkpoints.csv").open(newline="", encoding="utf-8") as file:
        return [
            Point(row["checkpoint_id"], row["station_id"], float(row["weight"]))
            for row in csv.DictReader(file)
            if row["kind"] == "metro"
        ]


def stations_of(points: Sequence[Point]) -> dict[str, list[Point]]:
    stations: dict[str, list[Point]] = {}
    for point in points:
        stations.setdefault(point.station, []).append(point)
    return stations


# -- the day ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares of a day's scans in each quarter of an hour from `start_s` (seconds after midnight) on; they add to 1."""

    start_s: int
    shares: tuple[float, ...]


def read_profile(folder: Path, name: str) -> Profile:
    """`name` is a key of `PROFILES`."""
    found = json.loads((folder / "entry_profiles_15min.json").read_text())[PROFILES[name]]
    hour, minute = map(int, found["start"].split(":"))
    total = sum(found["share"])
    return Profile(hour * 3600 + minute * 60, tuple(share / total for share in found["share"]))


def allotted(total: int, weights: Sequence[float]) -> list[int]:
    """`total` divided by the weights into whole numbers that add up to it: largest remainders get what is left."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    counts = [int(value) for value in exact]
    rest = heapq.nlargest(total - sum(counts), range(len(exact)), key=lambda n: exact[n] - counts[n])
    for n in rest:
        counts[n] += 1
    return counts


def quarters_of(total: int, profile: Profile) -> list[int]:
    """A station's scans in each quarter of an hour: rounded as they add up, so that none is lost."""
    ends = [round(total * share) for share in accumulate(profile.shares)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a station's concentrator sends at once: `moments` in seconds after midnight, rising."""

    station: str
    moments: tuple[float, ...]


def day_batches(
    scans: int, profile: Profile, stations: dict[str, list[Point]], *, part: int, parts: int, seed: int
) -> Iterator[Batch]:
    """One process's share of the whole day, quarter by quarter; a station sends when it has a batch together."""
    chance = random.Random(f"{seed}/{part}")  # noqa: S311 (a load, no secret)
    names = list(stations)
    totals = allotted(scans, [sum(point.weight for point in stations[name]) for name in names])
    plan = {name: quarters_of(total, profile) for name, total in zip(names, totals, strict=True)}
    own = names[part::parts]
    waiting: dict[str, list[float]] = {name: [] for name in own}
    for quarter in range(len(profile.shares)):
        start = profile.start_s + quarter * QUARTER_S
        chance.shuffle(own)
        for name in own:
            held = waiting[name]
            held += sorted(start + chance.random() * QUARTER_S for _ in range(plan[name][quarter]))
            while len(held) >= BATCH_OF_A_DAY:
                yield Batch(name, tuple(held[:BATCH_OF_A_DAY]))
                del held[:BATCH_OF_A_DAY]
    for name in own:
        if waiting[name]:
            yield Batch(name, tuple(waiting[name]))
