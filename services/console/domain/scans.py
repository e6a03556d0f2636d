"""Scans as totals: how many a second (by the moment they were recorded) and a day (by the day people stood there)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

DECISIONS = ("pass", "check", "stop")


@dataclass(frozen=True, slots=True)
class ScanTaken:
    """What the totals need of one scan; nobody's name, nobody's reference."""

    scanned_at: datetime
    recorded_at: datetime
    decision: str


@dataclass(frozen=True, slots=True)
class ScanTally:
    """Scans by (second, decision) and by (day, decision)."""

    by_second: Counter[tuple[datetime, str]]
    by_day: Counter[tuple[date, str]]


def tally(scans: Iterable[ScanTaken], zone: tzinfo) -> ScanTally:
    """A late upload counts in the second it arrived, and in the day on which the traveller stood at the gate."""
    found = ScanTally(Counter(), Counter())
    for scan in scans:
        found.by_second[scan.recorded_at.replace(microsecond=0), scan.decision] += 1
        found.by_day[scan.scanned_at.astimezone(zone).date(), scan.decision] += 1
    return found
