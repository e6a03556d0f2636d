"""Who was there: the tracing rule, the windows around a case's scans, and the last meeting of each grade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from services.checkpoints.domain.errors import TracingRuleIncomplete
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.scans import KINDS

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


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


Key = tuple[UUID, Grade]
Known = tuple[bool, datetime]
"""Whether the last meeting may be told in the log, or has been; then when it was."""


def last_of_each_grade(meetings: Iterable[Meeting], told_since: datetime) -> list[Meeting]:
    """Of each person the last meeting of each grade; ordered by person, the closest grade last.

    A contact counts from the last meeting: a close contact from the last close one, a general contact from the last of
    any grade. So a general meeting before a close one says nothing, and one after it says how long the person is a
    general contact. Of two at one moment the nearer counts.
    """
    last: dict[Key, Meeting] = {}
    for meeting in meetings:
        known = last.get((meeting.person_ref, meeting.grade))
        if known is None or _order(meeting, told_since) > _order(known, told_since):
            last[meeting.person_ref, meeting.grade] = meeting
    met_at = {key: meeting.met_at for key, meeting in last.items()}
    counting = (each for each in last.values() if not _is_covered(each, met_at))
    return sorted(counting, key=lambda meeting: (meeting.person_ref, meeting.grade))


def _order(meeting: Meeting, told_since: datetime) -> tuple[Known, float, str]:
    return (meeting.met_at >= told_since, meeting.met_at), -meeting.apart_s, str(meeting.contact_scan_id)


def _is_covered(meeting: Meeting, met_at: Mapping[Key, datetime]) -> bool:
    """Whether the person was met as late, or later, by a closer grade."""
    closer = (met_at.get((meeting.person_ref, grade)) for grade in Grade if grade > meeting.grade)
    return any(at is not None and at >= meeting.met_at for at in closer)


def new_or_later(meetings: Sequence[Meeting], known: Mapping[Key, Known], told_since: datetime) -> list[Meeting]:
    """The meetings that tell something new: a person or a grade not known before, or a later meeting of it.

    A meeting that may not be told any more displaces none that was told: the log would lose the person.
    """
    met_at = {key: at for key, (_, at) in known.items()}
    return [
        each
        for each in meetings
        if not _is_covered(each, met_at)
        and (each.met_at >= told_since, each.met_at) > known.get((each.person_ref, each.grade), (False, _BEFORE_ALL))
    ]


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
