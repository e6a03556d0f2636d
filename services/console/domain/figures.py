"""The figures on the screen: one frozen picture of the city, of which `GET /v1/live` is the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from services.console.domain.processes import Process
from services.console.domain.scans import DECISIONS
from services.console.domain.sources import Source
from services.console.domain.titles import Titles
from services.console.domain.words import Label

COLOURS = ("green", "yellow", "red", "lapsed")
CHART_S = 180
CHANGES_MINUTES = 15
ALARMS_SHOWN_MAX = 7
_RATE_S = 10
_BAR_PART_MIN = 1.0
_SETTLING = timedelta(seconds=1)
"""A scan needs this long from its commit through outbox and log; a younger second may still be filling."""


@dataclass(frozen=True, slots=True)
class ScanFigures:
    """`per_s` over the last ten whole seconds; the two lists end with `last_second` (Unix seconds)."""

    per_s: float
    last_second: int
    scans_by_second: list[int]
    stops_by_second: list[int]
    last_minute: dict[str, int]
    today: dict[str, int]
    today_total: int


@dataclass(frozen=True, slots=True)
class BarPart:
    """From where and how wide, of 100."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class ColourFigures:
    """`people` by colour, and how many `changed` to each colour in the last `changed_minutes`."""

    total: int
    people: dict[str, int]
    share: dict[str, float]
    bar: dict[str, BarPart]
    changed: dict[str, int]
    changed_minutes: int = CHANGES_MINUTES


@dataclass(frozen=True, slots=True)
class StageFigures:
    stage: str
    label: Label
    entries: int


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """Open entries of one ledger, by stage; the fullest stage first."""

    ledger: str
    label: Label
    entries: int
    stages: list[StageFigures]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Where and for whom to act; never about whom."""

    alarm_id: str
    kind: str
    label: Label
    owner: str
    area: str
    area_name: str
    checkpoint_name: str
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything applied up to `known_until`; `age_s` is how long ago that was when the picture was taken.

    All are totals of the city, but `alarms`: those of the subtree that the screen's bearer reaches.
    """

    known_until: datetime
    age_s: float
    scans: ScanFigures
    colours: ColourFigures
    entries: int
    ledgers: list[LedgerFigures]
    alarms_today: int
    alarms: list[Alarm] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reach:
    """The part of the city that a screen's bearer reaches; `shows_alarms`: a role of theirs reads alarms."""

    area: str
    area_name: str
    shows_alarms: bool
    alarms_today: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`figures` is None while the read model cannot be read; the processes are then told all the same.

    `sources`, by service, are how old the figures that its events make up are; none without figures.
    `reach` is None on a screen without a token, which is told totals of the city and no place.
    """

    at: datetime
    figures: Figures | None
    processes: list[Process]
    sources: dict[str, Source] = field(default_factory=dict)
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class AreaAlarms:
    """The newest alarms of one subtree, and how many there were today."""

    today: int
    newest: list[Alarm]


NO_ALARMS = AreaAlarms(0, [])


def reached(snapshot: Snapshot, reach: Reach, alarms: AreaAlarms) -> Snapshot:
    """The picture with what the reach adds to the totals."""
    if snapshot.figures is None or not reach.shows_alarms:
        return replace(snapshot, reach=reach)
    figures = replace(snapshot.figures, alarms=alarms.newest)
    return replace(snapshot, figures=figures, reach=replace(reach, alarms_today=alarms.today))


def scan_figures(
    by_second: Mapping[tuple[datetime, str], int], today: Mapping[str, int], known_until: datetime
) -> ScanFigures:
    """The chart ends with the last second that is surely complete: one still filling would look like a fall."""
    last = int((known_until - _SETTLING).timestamp()) - 1
    seconds = range(last - CHART_S + 1, last + 1)
    counts = {(int(second.timestamp()), decision): scans for (second, decision), scans in by_second.items()}
    scans = [sum(counts.get((second, decision), 0) for decision in DECISIONS) for second in seconds]
    return ScanFigures(
        per_s=round(sum(scans[-_RATE_S:]) / _RATE_S, 1),
        last_second=last,
        scans_by_second=scans,
        stops_by_second=[counts.get((second, "stop"), 0) for second in seconds],
        last_minute={
            decision: sum(counts.get((second, decision), 0) for second in seconds[-60:]) for decision in DECISIONS
        },
        today={decision: today.get(decision, 0) for decision in DECISIONS},
        today_total=sum(today.get(decision, 0) for decision in DECISIONS),
    )


def colour_figures(people: Mapping[str, int], changed: Mapping[str, int]) -> ColourFigures:
    counted = {colour: people.get(colour, 0) for colour in COLOURS}
    total = sum(counted.values())
    return ColourFigures(
        total=total,
        people=counted,
        share={colour: round(100 * count / total, 2) if total else 0.0 for colour, count in counted.items()},
        bar=bar_of(counted),
        changed={colour: changed.get(colour, 0) for colour in COLOURS},
    )


def bar_of(counts: Mapping[str, int]) -> dict[str, BarPart]:
    """The counts as parts of a bar of 100; what exists is never too thin to be seen, the rest shares what is left."""
    total = sum(counts.values())
    thin = {name for name, count in counts.items() if 0 < 100 * count < _BAR_PART_MIN * total}
    left = 100 - _BAR_PART_MIN * len(thin)
    thick_total = sum(count for name, count in counts.items() if name not in thin)
    parts, x = {}, 0.0
    for name, count in counts.items():
        width = _BAR_PART_MIN if name in thin else left * count / thick_total if thick_total else 0.0
        parts[name] = BarPart(round(x, 3), round(width, 3))
        x += width
    return parts


def ledger_figures(entries: Mapping[tuple[str, str], int], titles: Titles) -> list[LedgerFigures]:
    """The defined ledgers, the strongest first and empty ones too, then any other by name."""
    known = titles.ledgers()
    others = sorted({ledger for ledger, _ in entries} - set(known))
    found = []
    for ledger in (*known, *others):
        stages = [
            StageFigures(stage, titles.of_stage(ledger, stage), count)
            for (of, stage), count in sorted(entries.items(), key=lambda item: (-item[1], item[0]))
            if of == ledger and count
        ]
        found.append(LedgerFigures(ledger, titles.of_ledger(ledger), sum(each.entries for each in stages), stages))
    return found
