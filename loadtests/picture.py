"""`python -m loadtests.picture`: draws what `make load SHAPE=ladder` and `SHAPE=day` measured, into docs/pictures.

From the reports of real runs only; what has not been run is not drawn. SVG by hand: two charts need no library.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from guanka.home import REFERENCE, ROOT
from loadtests.shapes import QUARTER_S, SCANS_A_DAY, Profile, read_profile

REPORTS, PICTURES = ROOT / "build" / "reports", ROOT / "docs" / "pictures"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 380, 64, 24, 56, 66
_COLOURS = ("#1b7f4b", "#b8471b", "#5b6b7b")
_SMOOTHED = 15
"""Seconds of a day's run that one point of its line stands for, at least."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places on the paper; `is_log` for what spans powers of ten."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def place(self, value: float) -> float:
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.is_log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)


@dataclass(frozen=True, slots=True)
class Axis:
    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    points: Points
    has_marks: bool = False


def chart(title: str, note: str, across: Axis, up: Axis, lines: Sequence[Line]) -> str:
    """An SVG document."""
    x = Scale(across.low, across.high, _LEFT, _WIDTH - _RIGHT, across.is_log)
    y = Scale(up.low, up.high, _HEIGHT - _BOTTOM, _TOP, up.is_log)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#33404d">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 22, title, "font-size='15' font-weight='bold'"),
        _text(_WIDTH / 2, _HEIGHT - 28, across.title, "text-anchor='middle'"),
        _text(_WIDTH / 2, _HEIGHT - 9, note, "text-anchor='middle' font-size='10' fill='#7b8794'"),
        *(_tick_up(x, y, value, label) for value, label in up.ticks),
        *(_tick_across(x, y, value, label) for value, label in across.ticks),
    ]
    for number, line in enumerate(lines):
        parts += _drawn(line, _COLOURS[number], x, y)
        parts.append(_text(_LEFT + 190 * number, 42, f"▬ {line.name}", f"fill='{_COLOURS[number]}'"))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, words: str, attributes: str) -> str:
    return f"<text x='{x:g}' y='{y:g}' {attributes}>{escape(words)}</text>"


def _tick_up(x: Scale, y: Scale, value: float, label: str) -> str:
    at = y.place(value)
    grid = f"<line x1='{x.start:g}' x2='{x.end:g}' y1='{at:g}' y2='{at:g}' stroke='#e4e9ee'/>"
    return grid + _text(x.start - 8, at + 4, label, "text-anchor='end'")


def _tick_across(x: Scale, y: Scale, value: float, label: str) -> str:
    at = x.place(value)
    mark = f"<line x1='{at:g}' x2='{at:g}' y1='{y.start:g}' y2='{y.start + 5:g}' stroke='#7b8794'/>"
    return mark + _text(at, y.start + 19, label, "text-anchor='middle'")


def _drawn(line: Line, colour: str, x: Scale, y: Scale) -> list[str]:
    places = [(x.place(across), y.place(up)) for across, up in line.points]
    path = " ".join(f"{across:g},{up:g}" for across, up in places)
    marks = [f"<circle cx='{across:g}' cy='{up:g}' r='3' fill='{colour}'/>" for across, up in places]
    return [
        f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>",
        *(marks if line.has_marks else ()),
    ]


# -- the two pictures ----------------------------------------------------------------------------------------------


def ladder(report: dict[str, Any]) -> str:
    """Latency of what was accepted over what was offered, one to ten times the peak."""
    figures: dict[str, float] = report["figures"]
    rates = sorted(int(name.split("_")[3]) for name in figures if name.startswith("p50_ms_at_"))
    lines = [
        Line(f"{name} of the accepted", [(rate, figures[f"{name}_ms_at_{rate}_per_s"]) for rate in rates], True)
        for name in ("p50", "p99")
    ]
    refusing = [rate for rate in rates if figures[f"refused_at_{rate}_per_s"]]
    note = f"refused (503) from {refusing[0]:,}/s on" if refusing else "nothing was refused"
    up = Axis("", 1, 10_000, [(ms, f"{ms:,} ms") for ms in (1, 10, 100, 1000, 10_000)], is_log=True)
    across = Axis("scans offered a second", 0, max(rates), [(rate, f"{rate:,}") for rate in rates])
    title = "From a person at a gate to the answer, over what is offered"
    return chart(title, f"{note}; {_origin(report)}", across, up, lines)


def day(report: dict[str, Any], series: Sequence[dict[str, str]]) -> str:
    """Throughput while a day was uploaded, over the day's own clock, beside the rate of the day itself."""
    profile = read_profile(REFERENCE, "weekday")
    measured = throughput_by_clock(series, profile)
    own = [
        ((profile.start_s + (n + 0.5) * QUARTER_S) / 3600, share * SCANS_A_DAY / QUARTER_S)
        for n, share in enumerate(profile.shares)
    ]
    top = max(rate for _, rate in [*measured, *own]) * 1.1
    step = 10 ** math.floor(math.log10(top)) / 2
    ticks = [(n * step, f"{n * step:,.0f}") for n in range(int(top / step) + 1)]
    across = Axis("time of day of the scans", 5, 23, [(hour, f"{hour}:00") for hour in range(5, 24, 3)])
    lines = [Line("scans/s recorded", measured), Line("scans/s of the day itself, at 7 million", own)]
    scans, minutes = report["figures"]["acknowledged"], report["figures"]["seconds"] / 60
    title = f"{scans:,.0f} scans of a day, uploaded in {minutes:.1f} minutes"
    return chart(title, _origin(report), across, Axis("", 0, top, ticks), lines)


def throughput_by_clock(series: Sequence[dict[str, str]], profile: Profile) -> list[tuple[float, float]]:
    """(hour of the day that the run had come to, scans recorded a second); the scans of a day come in its order."""
    accepted = [int(row["accepted"]) for row in series]
    whole, width = sum(accepted), max(_SMOOTHED, len(accepted) // 120)
    bounds = list(accumulate(profile.shares))
    points, done = [], 0
    for start in range(0, len(accepted) - len(accepted) % width, width):
        part = sum(accepted[start : start + width])
        at = (done + part / 2) / whole
        quarter = min(bisect_left(bounds, at), len(bounds) - 1)
        before = bounds[quarter] - profile.shares[quarter]
        into = (at - before) / profile.shares[quarter] if profile.shares[quarter] else 0.0
        points.append(((profile.start_s + (quarter + into) * QUARTER_S) / 3600, part / width))
        done += part
    return points


def _origin(report: dict[str, Any]) -> str:
    return f"{report['machine']}; {report['started_at'][:10]}, {report['commit']}"


def main() -> int:
    drawn = 0
    if (report := _report("ladder")) is not None:
        drawn += _keep("load-ladder.svg", ladder(report))
    if (report := _report("day")) is not None:
        with (REPORTS / "load-day.csv").open(newline="") as file:
            drawn += _keep("load-day.svg", day(report, list(csv.DictReader(file))))
    if not drawn:
        print("nothing was measured yet: make load SHAPE=ladder, make load SHAPE=day", file=sys.stderr)
    return 0 if drawn else 1


def _report(shape: str) -> dict[str, Any] | None:
    try:
        report: dict[str, Any] = json.loads((REPORTS / f"load-{shape}.json").read_text())
    except FileNotFoundError:
        return None
    return report


def _keep(name: str, picture: str) -> int:
    path: Path = PICTURES / name
    path.write_text(picture)
    print(f"docs/pictures/{name}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
