"""Scans as totals."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from services.console.domain.scans import ScanTaken, tally

GUANGZHOU = ZoneInfo("Asia/Shanghai")


def test_scans_of_one_second_and_decision_are_one_row() -> None:
    at = datetime(2020, 3, 2, 0, 0, 5, 120_000, UTC)
    found = tally([ScanTaken(at, at, "pass"), ScanTaken(at, at.replace(microsecond=900_000), "pass")], GUANGZHOU)
    assert dict(found.by_second) == {(datetime(2020, 3, 2, 0, 0, 5, tzinfo=UTC), "pass"): 2}


def test_a_late_upload_counts_in_the_day_on_which_the_traveller_stood_there() -> None:
    scanned = datetime(2020, 3, 1, 15, 59, 59, tzinfo=UTC)
    recorded = datetime(2020, 3, 2, 3, tzinfo=UTC)
    found = tally([ScanTaken(scanned, recorded, "stop")], GUANGZHOU)
    assert dict(found.by_day) == {(date(2020, 3, 1), "stop"): 1}
    assert dict(found.by_second) == {(recorded, "stop"): 1}


def test_midnight_is_the_citys() -> None:
    scanned = datetime(2020, 3, 1, 16, 0, 0, tzinfo=UTC)
    assert dict(tally([ScanTaken(scanned, scanned, "pass")], GUANGZHOU).by_day) == {(date(2020, 3, 2), "pass"): 1}
