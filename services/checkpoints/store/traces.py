"""Traces: what was asked, whom they found, and the windows that late scans may still fall into."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.ids import uuid7_floor, uuid7_time
from services.checkpoints.domain.facts import ScanFact, TraceFact, TraceOrder
from services.checkpoints.domain.tracing import CaseScan, Grade, Key, Known, Meeting, Watch
from services.checkpoints.store.history import ID_APART_MAX, bound_of_ids, clock_off_between
from services.checkpoints.store.planning import planned_with_values

_TRACE = (
    "trace_id, entry_id, person_ref, from_at, to_at, status, tracing_rule, parts, revision, requested_by, approved_by, "
    "requester, area, requested_at"
)
_FIND = f"SELECT {_TRACE} FROM trace WHERE trace_id = :id"  # noqa: S608 (our own names)
_ADD = f"""
INSERT INTO trace (trace_id, entry_id, person_ref, from_at, to_at, status, tracing_rule, requested_by, requester, area,
                   requested_at)
VALUES (:trace_id, :entry_id, :person_ref, :from_at, :to_at, 'answered', :tracing_rule, :requested_by, :requester,
        :area, :requested_at)
ON CONFLICT DO NOTHING RETURNING {_TRACE}
"""  # noqa: S608 (our own names)
# `OFFSET 0` keeps the windows first: joined the other way round, all that a checkpoint ever saw would be read. Asked by
# whole days, for with narrower bounds of `scan_id` its primary key looks better than the index of the checkpoint, and
# what the whole city scanned in these minutes would be read.
_FOUND = """
SELECT s.person_ref, w.grade, s.checkpoint_id, c.kind, c.area, s.scanned_at AS met_at,
       abs(extract(epoch FROM s.scanned_at - w.case_at))::float8 AS apart_s,
       w.case_scan_id, s.scan_id AS contact_scan_id, {vehicle} AS vehicle_ref
FROM unnest(CAST(:case_scan_ids AS uuid[]), CAST(:case_ats AS timestamptz[]), CAST(:places AS uuid[]),
            CAST(:grades AS integer[]), CAST(:from_ats AS timestamptz[]), CAST(:to_ats AS timestamptz[]))
     AS w (case_scan_id, case_at, place, grade, from_at, to_at)
CROSS JOIN LATERAL (
    SELECT * FROM scan WHERE scan.{place} = w.place AND scan.scanned_at BETWEEN w.from_at AND w.to_at
    AND scan.scan_id >= :day AND scan.scan_id < :next_day
    AND scan.person_ref IS NOT NULL AND scan.person_ref <> :person_ref AND NOT scan.is_self_reported
    AND scan.repeat_of IS NULL
    OFFSET 0
) AS s
JOIN checkpoint_version AS c ON c.checkpoint_id = s.checkpoint_id
    AND s.scanned_at >= c.holds_from AND s.scanned_at < c.holds_until
"""
_CASE_SCANS = """
SELECT s.scan_id, s.checkpoint_id, c.kind, s.vehicle_ref, s.scanned_at
FROM scan AS s JOIN checkpoint_version AS c ON c.checkpoint_id = s.checkpoint_id
    AND s.scanned_at >= c.holds_from AND s.scanned_at < c.holds_until
WHERE s.person_ref = :person_ref AND s.scanned_at BETWEEN :from_at AND :to_at
  AND {ids}
  AND NOT s.is_self_reported AND s.repeat_of IS NULL ORDER BY s.scanned_at
"""

_WATCH_COLUMNS = {
    "case_scan_id": "uuid",
    "case_at": "timestamptz",
    "checkpoint_id": "uuid",
    "vehicle_ref": "uuid",
    "grade": "smallint",
    "from_at": "timestamptz",
    "to_at": "timestamptz",
}
_CONTACT_COLUMNS = {
    "person_ref": "uuid",
    "grade": "smallint",
    "checkpoint_id": "uuid",
    "kind": "text",
    "area": "text",
    "met_at": "timestamptz",
    "apart_s": "float8",
    "case_scan_id": "uuid",
    "contact_scan_id": "uuid",
    "vehicle_ref": "uuid",
}

_MEETING = ", ".join(_CONTACT_COLUMNS)


def _arrays(columns: Mapping[str, str]) -> str:
    return ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in columns.items())


_ADD_WATCHES = f"""
INSERT INTO trace_window (trace_id, {", ".join(_WATCH_COLUMNS)})
SELECT :trace_id, w.* FROM unnest({_arrays(_WATCH_COLUMNS)}) AS w ON CONFLICT DO NOTHING
"""  # noqa: S608 (our own names)
_PUT_CONTACTS = f"""
INSERT INTO trace_contact (trace_id, {", ".join(_CONTACT_COLUMNS)})
SELECT :trace_id, c.* FROM unnest({_arrays(_CONTACT_COLUMNS)}) AS c
ON CONFLICT (trace_id, person_ref, grade) DO UPDATE SET part = NULL,
    {", ".join(f"{name} = excluded.{name}" for name in _CONTACT_COLUMNS if name not in ("person_ref", "grade"))}
"""  # noqa: S608 (our own names)

_TOLD_AT = "CASE WHEN c.part IS NULL THEN :at ELSE c.told_at END"


def lock(tx: Connection) -> None:
    """One trace is made or extended at a time: so a scan that one does not see yet, the other sees already."""
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('trace'))"))


def find(tx: Connection, trace_id: UUID) -> TraceFact | None:
    row = tx.execute(sa.text(_FIND), {"id": trace_id})
    found = row.mappings().one_or_none()
    return None if found is None else TraceFact(**found)


def add(tx: Connection, order: TraceOrder, tracing_rule: str, at: datetime) -> TraceFact | None:
    """The new trace; None when one with this id is there."""
    row = tx.execute(
        sa.text(_ADD),
        {
            "trace_id": order.trace_id,
            "entry_id": order.entry_id,
            "person_ref": order.person_ref,
            "from_at": order.from_at,
            "to_at": order.to_at,
            "tracing_rule": tracing_rule,
            "requested_by": order.requested_by,
            "requester": order.requester,
            "area": order.area,
            "requested_at": at,
        },
    )
    found = row.mappings().one_or_none()
    return None if found is None else TraceFact(**found)


def name_requester(tx: Connection, order: TraceOrder) -> None:
    """Keep who asked, and the case's area, where an order that came before did not say it."""
    tx.execute(
        sa.text(
            "UPDATE trace SET requester = coalesce(requester, :requester), "
            "area = CASE WHEN area = '' THEN :area ELSE area END WHERE trace_id = :trace_id"
        ),
        {"requester": order.requester, "area": order.area, "trace_id": order.trace_id},
    )


def contacts_of_requester(tx: Connection, trace: TraceFact, since: datetime) -> int:
    """Contacts told to one person since then without a second one, and those that this trace would tell now.

    They count from when they were told, however long ago their traces were asked for. A trace of which nobody knows who
    asked counts among all such. An older release kept no moment: its contacts were told after the meeting and the
    question.
    """
    counted = tx.execute(
        sa.text(
            "SELECT count(*) FROM (SELECT FROM trace AS t JOIN trace_contact AS c USING (trace_id) "
            "WHERE t.requester IS NOT DISTINCT FROM CAST(:requester AS uuid) AND t.approved_by IS NULL "
            "AND (c.told_at >= :since OR t.trace_id = :trace_id AND c.part IS NULL OR c.told_at IS NULL "
            "AND c.part IS NOT NULL AND greatest(t.requested_at, c.met_at) >= :since) "
            "GROUP BY t.trace_id, c.person_ref) AS contact"
        ),
        {"requester": trace.requester, "since": since, "trace_id": trace.trace_id},
    )
    return int(counted.scalar_one())


def held_or_answered(
    tx: Connection, *, area: str, is_whole_city: bool, status: str | None, before: UUID | None, limit: int
) -> list[TraceFact]:
    """Traces of cases within a subtree, the newest identifiers first; those without an area are the whole city's."""
    rows = tx.execute(
        sa.text(
            f"SELECT {_TRACE} FROM trace WHERE (starts_with(area, :area) OR (area = '' AND :is_whole_city)) "  # noqa: S608
            "AND (CAST(:status AS text) IS NULL OR status = :status) "
            "AND (CAST(:before AS uuid) IS NULL OR trace_id < :before) ORDER BY trace_id DESC LIMIT :limit"
        ),
        {"area": area, "is_whole_city": is_whole_city, "status": status, "before": before, "limit": limit},
    )
    return [TraceFact(**row) for row in rows.mappings()]


def is_case_in(tx: Connection, person_ref: UUID, area: str) -> bool:
    """Whether somebody within the subtree asked for a trace of this person before: the ledger does for each case."""
    return bool(
        tx.execute(
            sa.text(
                "SELECT EXISTS (SELECT FROM trace WHERE person_ref = :person_ref AND entry_id <> '' "
                "AND starts_with(area, :area))"
            ),
            {"person_ref": person_ref, "area": area},
        ).scalar_one()
    )


def has_contacts_in(tx: Connection, trace_id: UUID, area: str, since: datetime) -> bool:
    """Whether anybody was told whom the case met within the subtree."""
    return bool(told_contacts(tx, trace_id, area=area, since=since, after=None, limit=1))


def save(tx: Connection, trace: TraceFact) -> None:
    tx.execute(
        sa.text(
            "UPDATE trace SET status = :status, parts = :parts, revision = :revision, approved_by = :approved_by, "
            "approved_at = CASE WHEN approved_by IS NULL AND CAST(:approved_by AS text) IS NOT NULL THEN now() "
            "ELSE approved_at END WHERE trace_id = :trace_id"
        ),
        {
            "status": trace.status,
            "parts": trace.parts,
            "revision": trace.revision,
            "approved_by": trace.approved_by,
            "trace_id": trace.trace_id,
        },
    )


def case_scans(tx: Connection, person_ref: UUID, from_at: datetime, to_at: datetime) -> list[CaseScan]:
    clock_off = clock_off_between(tx, from_at, to_at)
    span = {
        "clock_off": clock_off,
        "from_at": from_at,
        "to_at": to_at,
        "from_id": uuid7_floor(from_at - ID_APART_MAX),
        "to_id": uuid7_floor(to_at + ID_APART_MAX),
    }
    with planned_with_values(tx):
        statement = sa.text(_CASE_SCANS.format(ids=bound_of_ids(clock_off)))
        rows = tx.execute(statement, {"person_ref": person_ref, **span}).all()
    return [CaseScan(*row) for row in rows]


def find_meetings(tx: Connection, person_ref: UUID, watches: Sequence[Watch]) -> list[Meeting]:
    """Everyone who was scanned inside the watches, with how and when; the days that cannot matter are not read."""
    found: list[Meeting] = []
    clock_off = _days_of_clocks_off(tx, watches)
    for place in ("checkpoint_id", "vehicle_ref"):
        by_day = defaultdict(list)
        for watch in watches:
            if getattr(watch, place) is not None:
                for day in clock_off | set(_days(watch)):
                    by_day[day].append(watch)
        with planned_with_values(tx):
            for day, of_day in sorted(by_day.items()):
                found += _meetings(tx, person_ref, of_day, place, day)
    return found


def _days(watch: Watch) -> Iterator[date]:
    """The partitions in which a scan of the window may lie."""
    day, last = (at.astimezone(UTC).date() for at in (watch.from_at - ID_APART_MAX, watch.to_at + ID_APART_MAX))
    while day <= last:
        yield day
        day += timedelta(days=1)


def _days_of_clocks_off(tx: Connection, watches: Sequence[Watch]) -> set[date]:
    """The partitions in which scans of these times lie whose gates' clocks were off."""
    if not watches:
        return set()
    from_at, to_at = min(watch.from_at for watch in watches), max(watch.to_at for watch in watches)
    return {uuid7_time(scan_id).date() for scan_id in clock_off_between(tx, from_at, to_at)}


def _meetings(tx: Connection, person_ref: UUID, watches: Sequence[Watch], place: str, day: date) -> list[Meeting]:
    midnight = datetime.combine(day, time(), UTC)
    rows = tx.execute(
        sa.text(_FOUND.format(place=place, vehicle="w.place" if place == "vehicle_ref" else "NULL::uuid")),
        {
            "person_ref": person_ref,
            "day": uuid7_floor(midnight),
            "next_day": uuid7_floor(midnight + timedelta(days=1)),
            "case_scan_ids": [watch.case_scan_id for watch in watches],
            "case_ats": [watch.case_at for watch in watches],
            "places": [getattr(watch, place) for watch in watches],
            "grades": [int(watch.grade) for watch in watches],
            "from_ats": [watch.from_at for watch in watches],
            "to_ats": [watch.to_at for watch in watches],
        },
    )
    return [Meeting(**{**row, "grade": Grade(row["grade"])}) for row in rows.mappings()]


def add_watches(tx: Connection, trace_id: UUID, watches: Sequence[Watch]) -> None:
    if watches:
        _insert_columns(tx, _ADD_WATCHES, trace_id, watches, _WATCH_COLUMNS)


def watches_of_trace(tx: Connection, trace_id: UUID) -> list[Watch]:
    rows = tx.execute(
        sa.text(f"SELECT {', '.join(_WATCH_COLUMNS)} FROM trace_window WHERE trace_id = :id"),  # noqa: S608
        {"id": trace_id},
    )
    return [Watch(**{**row, "grade": Grade(row["grade"])}) for row in rows.mappings()]


def known_meetings(tx: Connection, trace_id: UUID, told_since: datetime) -> dict[Key, Known]:
    """Who was told in the log stays so, however long ago they were met."""
    rows = tx.execute(
        sa.text(
            "SELECT person_ref, grade, coalesce(part > 0, false) OR met_at >= :told_since AS is_told, met_at "
            "FROM trace_contact WHERE trace_id = :id"
        ),
        {"id": trace_id, "told_since": told_since},
    )
    return {(row.person_ref, Grade(row.grade)): (row.is_told, row.met_at) for row in rows}


def put_contacts(tx: Connection, trace_id: UUID, meetings: Sequence[Meeting]) -> None:
    """Keep new contacts and later meetings of known ones, as not told yet."""
    if meetings:
        _insert_columns(tx, _PUT_CONTACTS, trace_id, meetings, _CONTACT_COLUMNS)


def _insert_columns(
    tx: Connection, statement: str, trace_id: UUID, rows: Sequence[object], columns: Mapping[str, str]
) -> None:
    """One statement for all rows, in columns: a trace of a thousand contacts is one round trip."""
    values = {name: [getattr(row, name) for row in rows] for name in columns}
    tx.execute(sa.text(statement), {"trace_id": trace_id, **values})


def untold_contacts(tx: Connection, trace_id: UUID) -> list[Meeting]:
    rows = tx.execute(
        sa.text(
            f"SELECT {_MEETING} FROM trace_contact WHERE trace_id = :id AND part IS NULL "  # noqa: S608
            "ORDER BY person_ref, grade"
        ),
        {"id": trace_id},
    )
    return [Meeting(**{**row, "grade": Grade(row["grade"])}) for row in rows.mappings()]


def told_contacts(
    tx: Connection, trace_id: UUID, *, area: str, since: datetime, after: UUID | None, limit: int
) -> list[Meeting]:
    """Contacts that were told and met since a moment within a subtree of the areas, in the order of person_ref.

    Of each person the last meeting of the closest grade.
    """
    rows = tx.execute(
        sa.text(
            f"SELECT DISTINCT ON (person_ref) {_MEETING} FROM trace_contact "  # noqa: S608
            "WHERE trace_id = :id AND part IS NOT NULL "
            "AND starts_with(area, :area) AND met_at - apart_s * interval '1 second' >= :since "
            "AND (CAST(:after AS uuid) IS NULL OR person_ref > :after) "
            "ORDER BY person_ref, grade DESC LIMIT :limit"
        ),
        {"id": trace_id, "area": area, "since": since, "after": after, "limit": limit},
    )
    return [Meeting(**{**row, "grade": Grade(row["grade"])}) for row in rows.mappings()]


def mark_told(tx: Connection, trace_id: UUID, meetings: Sequence[Meeting], part: int, at: datetime) -> None:
    """Mark meetings as told in a part; one that is told once more keeps the moment at which it was told first."""
    tx.execute(
        sa.text(
            f"UPDATE trace_contact AS c SET part = :part, told_at = {_TOLD_AT} FROM "  # noqa: S608
            "unnest(CAST(:persons AS uuid[]), CAST(:grades AS smallint[])) AS told (person_ref, grade) "
            "WHERE c.trace_id = :id AND c.person_ref = told.person_ref AND c.grade = told.grade"
        ),
        {
            "part": part,
            "at": at,
            "id": trace_id,
            "persons": [meeting.person_ref for meeting in meetings],
            "grades": [int(meeting.grade) for meeting in meetings],
        },
    )


def mark_older(tx: Connection, trace_id: UUID, before: datetime, at: datetime, *, even_told: bool = False) -> bool:
    """Mark the meetings before a moment as never to be told in the log (part 0); whether there were any.

    They can be read from then on, so they count as told.

    With `even_told` those that have been told too, so that they are not told again.
    """
    marked = tx.execute(
        sa.text(
            f"UPDATE trace_contact AS c SET part = 0, told_at = {_TOLD_AT} "  # noqa: S608
            "WHERE trace_id = :id AND met_at < :before "
            "AND CASE WHEN :even_told THEN part > 0 ELSE part IS NULL END"
        ),
        {"id": trace_id, "before": before, "at": at, "even_told": even_told},
    )
    return marked.rowcount > 0


def contacts_in_log(tx: Connection, trace_id: UUID) -> list[Meeting]:
    """Whom the log was told of."""
    rows = tx.execute(
        sa.text(
            f"SELECT {_MEETING} FROM trace_contact WHERE trace_id = :id AND part > 0 "  # noqa: S608
            "ORDER BY person_ref, grade"
        ),
        {"id": trace_id},
    )
    return [Meeting(**{**row, "grade": Grade(row["grade"])}) for row in rows.mappings()]


def count_older(tx: Connection, trace_id: UUID) -> int:
    """Contacts whose every meeting was too long ago for the log."""
    counted = tx.execute(
        sa.text(
            "SELECT count(*) FROM (SELECT FROM trace_contact WHERE trace_id = :id "
            "GROUP BY person_ref HAVING bool_and(coalesce(part, -1) = 0)) AS older"
        ),
        {"id": trace_id},
    )
    return int(counted.scalar_one())


def told_to_ledger(tx: Connection) -> Sequence[UUID]:
    """The traces that the ledger asked for and that have told it of somebody."""
    rows = tx.execute(
        sa.text(
            "SELECT trace_id FROM trace AS t WHERE entry_id <> '' AND EXISTS "
            "(SELECT FROM trace_contact WHERE trace_id = t.trace_id AND part IS NOT NULL) ORDER BY trace_id"
        )
    )
    return rows.scalars().all()


def count_contacts(tx: Connection, trace_id: UUID) -> dict[str, int]:
    """People by their closest grade: `close` and `general`."""
    return count_contacts_of(tx, [trace_id])[trace_id]


def count_contacts_of(tx: Connection, trace_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """As `count_contacts`, of many traces in one look."""
    rows = tx.execute(
        sa.text(
            "SELECT trace_id, grade, count(*) AS contacts FROM "
            "(SELECT trace_id, max(grade) AS grade FROM trace_contact WHERE trace_id = ANY(:ids) "
            "GROUP BY trace_id, person_ref) AS contact GROUP BY trace_id, grade"
        ),
        {"ids": list(trace_ids)},
    )
    counts = {trace_id: {grade.name.lower(): 0 for grade in Grade} for trace_id in trace_ids}
    for row in rows:
        counts[row.trace_id][Grade(row.grade).name.lower()] = row.contacts
    return counts


# -- late scans ------------------------------------------------------------------------------------------------------

_WATCHED = """
SELECT s.place, w.trace_id, w.case_scan_id, w.case_at, w.checkpoint_id, w.vehicle_ref, w.grade, w.from_at, w.to_at
FROM unnest(CAST(:ats AS timestamptz[]), CAST(:checkpoints AS uuid[]), CAST(:vehicles AS uuid[]))
     WITH ORDINALITY AS s (scanned_at, checkpoint_id, vehicle_ref, place)
JOIN trace_window AS w ON w.{where} = s.{where} AND s.scanned_at BETWEEN w.from_at AND w.to_at
"""


def are_reached(tx: Connection, earliest: datetime, latest: datetime) -> bool:
    """Whether any trace or window overlaps a time: mostly none does, for traces are of the past and scans of now."""
    return bool(
        tx.execute(
            sa.text(
                "SELECT EXISTS (SELECT FROM trace_window WHERE to_at >= :earliest AND from_at <= :latest) "
                "OR EXISTS (SELECT FROM trace WHERE to_at >= :earliest AND from_at <= :latest)"
            ),
            {"earliest": earliest, "latest": latest},
        ).scalar_one()
    )


def watches_over(tx: Connection, scans: Sequence[ScanFact]) -> list[tuple[UUID, Watch, ScanFact]]:
    """The windows of answered traces into which the scans fall: (trace, window, scan)."""
    parameters: Mapping[str, Any] = {
        "ats": [scan.scanned_at for scan in scans],
        "checkpoints": [scan.checkpoint_id for scan in scans],
        "vehicles": [scan.vehicle_ref for scan in scans],
    }
    found = []
    for where in ("checkpoint_id", "vehicle_ref"):
        for row in tx.execute(sa.text(_WATCHED.format(where=where)), parameters):
            watch = Watch(
                row.case_scan_id,
                row.case_at,
                row.checkpoint_id,
                row.vehicle_ref,
                Grade(row.grade),
                row.from_at,
                row.to_at,
            )
            found.append((row.trace_id, watch, scans[row.place - 1]))
    return found


def of_cases(tx: Connection, scans: Sequence[ScanFact]) -> list[tuple[UUID, ScanFact]]:
    """The traces whose case was scanned, within the time the trace covers: (trace, scan)."""
    rows = tx.execute(
        sa.text(
            "SELECT t.trace_id, s.place FROM unnest(CAST(:ats AS timestamptz[]), CAST(:persons AS uuid[])) "
            "WITH ORDINALITY AS s (scanned_at, person_ref, place) "
            "JOIN trace AS t ON t.person_ref = s.person_ref AND s.scanned_at BETWEEN t.from_at AND t.to_at"
        ),
        {"ats": [scan.scanned_at for scan in scans], "persons": [scan.person_ref for scan in scans]},
    )
    return [(row.trace_id, scans[row.place - 1]) for row in rows]
