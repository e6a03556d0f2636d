"""Who was there: the tracing rule, the windows around a case's scans, and the strongest meeting of each contact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from services.checkpoints.domain.errors import TracingRuleIncomplete
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.scans import KINDS


class Grade(IntEnum):
    """How near a contact was; a higher one is the stronger."""

    GENERAL = 1
    CLOSE = 2


@dataclass(frozen=True, slots=True)
class Window:
    """What counts as a meeting at one kind of checkpoint; `is_by_vehicle`: only within the same vehicle."""

    grade: Grade
    within: timedelta
    is_by_vehicle: bool


@dataclass(frozen=True, slots=True)
class TracingRule:
    """`version` such as `default@1`; a kind that maps to None makes no contacts."""

    version: str
    contacts_max: int
    windows: Mapping[str, Window | None]


@dataclass(frozen=True, slots=True)
class CaseScan:
    """Where and when the case was."""

    scan_id: UUID
    checkpoint_id: UUID
    kind: str
    vehicle_ref: UUID | None
    scanned_at: datetime


@dataclass(frozen=True, slots=True)
class Watch:
    """A window around one scan of the case: whoever was scanned there and then met the case."""

    case_scan_id: UUID
    case_at: datetime
    checkpoint_id: UUID | None
    vehicle_ref: UUID | None
    grade: Grade
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class Meeting:
    """One contact at one watch; `apart_s` in seconds, never negative.

    `vehicle_ref` is set where they were in the same vehicle; elsewhere they were at the same checkpoint.
    """

    person_ref: UUID
    grade: Grade
    checkpoint_id: UUID
    kind: str
    area: str
    met_at: datetime
    apart_s: float
    case_scan_id: UUID
    contact_scan_id: UUID
    vehicle_ref: UUID | None = None


def read_tracing_rule(document: Mapping[str, Any]) -> TracingRule:
    """The rule of a JSON document. Raises `TracingRuleIncomplete` that names what is missing."""
    try:
        kinds = document["kinds"]
        windows = {kind: _window(kinds[kind]) for kind in KINDS}
        return TracingRule(str(document["tracing_rule"]), int(document["contacts_max"]), windows)
    except (KeyError, TypeError, ValueError) as error:
        raise TracingRuleIncomplete(f"{type(error).__name__}: {error}") from None


def _window(given: Mapping[str, Any] | None) -> Window | None:
    if given is None:
        return None
    return Window(Grade[given["grade"].upper()], timedelta(seconds=given["within_s"]), bool(given.get("by_vehicle")))


def watches_of(rule: TracingRule, scans: Iterable[CaseScan]) -> list[Watch]:
    """The windows to look through for a case's scans."""
    watches = []
    for scan in scans:
        window = rule.windows[scan.kind]
        if window is None or (window.is_by_vehicle and scan.vehicle_ref is None):
            continue
        checkpoint_id, vehicle_ref = (None, scan.vehicle_ref) if window.is_by_vehicle else (scan.checkpoint_id, None)
        at, within = scan.scanned_at, window.within
        watches.append(Watch(scan.scan_id, at, checkpoint_id, vehicle_ref, window.grade, at - within, at + within))
    return watches


def since(moment: datetime, watches: Iterable[Watch]) -> list[Watch]:
    """The windows, none of which begins before a moment."""
    return [replace(watch, from_at=max(watch.from_at, moment)) for watch in watches]


Rank = tuple[bool, int]
"""Whether a meeting may be told in the log, then its grade: of whom the case met often, nobody is left out of the log
for having been met more closely long ago."""


def strongest(meetings: Iterable[Meeting], told_since: datetime) -> list[Meeting]:
    """Of each person the meeting of the highest rank, of those the nearest in time; ordered by person."""
    best: dict[UUID, Meeting] = {}
    for meeting in meetings:
        known = best.get(meeting.person_ref)
        if known is None or _strength(meeting, told_since) > _strength(known, told_since):
            best[meeting.person_ref] = meeting
    return sorted(best.values(), key=lambda meeting: meeting.person_ref)


def _strength(meeting: Meeting, told_since: datetime) -> tuple[Rank, float, str]:
    return _rank(meeting, told_since), -meeting.apart_s, str(meeting.contact_scan_id)


def _rank(meeting: Meeting, told_since: datetime) -> Rank:
    return meeting.met_at >= told_since, meeting.grade


def new_or_upgraded(meetings: Sequence[Meeting], known: Mapping[UUID, Rank], told_since: datetime) -> list[Meeting]:
    """The meetings that tell something new: a person not met before, or met more closely than was known."""
    unknown: Rank = (False, 0)
    return [each for each in meetings if _rank(each, told_since) > known.get(each.person_ref, unknown)]


def meeting_of(watch: Watch, scan: ScanFact) -> Meeting:
    """The meeting of a scan that falls into a window; the scan's person is known."""
    assert scan.person_ref is not None
    apart_s = abs((scan.scanned_at - watch.case_at).total_seconds())
    return Meeting(
        person_ref=scan.person_ref,
        grade=watch.grade,
        checkpoint_id=scan.checkpoint_id,
        kind=scan.kind,
        area=scan.area,
        met_at=scan.scanned_at,
        apart_s=apart_s,
        case_scan_id=watch.case_scan_id,
        contact_scan_id=scan.scan_id,
        vehicle_ref=watch.vehicle_ref,
    )
