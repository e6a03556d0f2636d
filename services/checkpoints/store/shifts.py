"""Shifts as stored, and what happened during one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from chassis.ids import uuid7_floor
from services.checkpoints.domain.scans import FEVER_C
from services.checkpoints.domain.shifts import Shift
from services.checkpoints.store.history import ID_APART_MAX, bound_of_ids, clock_off_between
from services.checkpoints.store.planning import planned_with_values

_SHIFT = (
    "shift_id, checkpoint_id, staff, version, signed_on_by, signed_on_at, signed_off_by, signed_off_at, note_sealed"
)
_SCANS = """
SELECT decision, colour, count(*) AS scans, count(*) FILTER (WHERE temperature_c >= CAST(:fever AS real)) AS fevers
FROM scan AS s
WHERE checkpoint_id = :checkpoint_id AND scanned_at >= :from_at AND scanned_at < :to_at
  AND {ids} AND NOT is_self_reported AND repeat_of IS NULL
GROUP BY decision, colour
"""
_REGISTRATIONS = sa.text("""
SELECT outcome, count(*) AS registrations FROM registration
WHERE checkpoint_id = :checkpoint_id AND registered_at >= :from_at AND registered_at < :to_at GROUP BY outcome
""")
_CASES = sa.text("""
SELECT stage, count(*) AS cases FROM measurement_case
WHERE checkpoint_id = :checkpoint_id AND opened_at >= :from_at AND opened_at < :to_at GROUP BY stage
""")
# A device's readings go where its checkpoint was merged into; `post` says from when to when those of each came here.
_TROUBLES = sa.text("""
WITH RECURSIVE post (checkpoint_id, from_at, to_at) AS (
    SELECT checkpoint_id, greatest(holds_from, :from_at), least(holds_until, :to_at) FROM checkpoint_version
    WHERE checkpoint_id = :checkpoint_id AND successor IS NULL AND holds_from < :to_at AND holds_until > :from_at
    UNION
    SELECT v.checkpoint_id, greatest(v.holds_from, p.from_at), least(v.holds_until, p.to_at)
    FROM post AS p JOIN checkpoint_version AS v ON v.successor = p.checkpoint_id
    WHERE v.holds_from < p.to_at AND v.holds_until > p.from_at
)
SELECT DISTINCT t.device_id, t.trouble, t.since, t.until
FROM post AS p JOIN device AS d USING (checkpoint_id) JOIN device_trouble AS t USING (device_id)
WHERE t.since < p.to_at AND (t.until IS NULL OR t.until > p.from_at) ORDER BY t.since, t.device_id
""")

Kept = tuple[Shift, bytes | None]
"""A shift and its sealed note."""


def add(tx: Connection, shift: Shift) -> bool:
    """False where the id is taken, or another shift is on duty."""
    added = tx.execute(
        sa.text(
            "INSERT INTO shift (shift_id, checkpoint_id, staff, version, signed_on_by, signed_on_at) "
            "VALUES (:shift_id, :checkpoint_id, :staff, :version, :by, :at) ON CONFLICT DO NOTHING"
        ),
        {
            "shift_id": shift.shift_id,
            "checkpoint_id": shift.checkpoint_id,
            "staff": shift.staff,
            "version": shift.version,
            "by": shift.signed_on_by,
            "at": shift.signed_on_at,
        },
    )
    return added.rowcount == 1


def find(tx: Connection, shift_id: UUID, *, is_locked: bool = False) -> Kept | None:
    lock = " FOR UPDATE" if is_locked else ""
    found = sa.text(f"SELECT {_SHIFT} FROM shift WHERE shift_id = :id{lock}")  # noqa: S608 (our own names)
    return _kept(tx.execute(found, {"id": shift_id}).one_or_none())


def last_signed_off(tx: Connection, checkpoint_id: UUID) -> Kept | None:
    """The shift before the one that is on duty now."""
    found = f"SELECT {_SHIFT} FROM shift WHERE checkpoint_id = :id AND signed_off_at IS NOT NULL "  # noqa: S608
    ordered = sa.text(found + "ORDER BY signed_off_at DESC LIMIT 1")
    return _kept(tx.execute(ordered, {"id": checkpoint_id}).one_or_none())


def on_duty(tx: Connection, checkpoint_id: UUID) -> Shift | None:
    found = f"SELECT {_SHIFT} FROM shift WHERE checkpoint_id = :id AND signed_off_at IS NULL"  # noqa: S608
    kept = _kept(tx.execute(sa.text(found), {"id": checkpoint_id}).one_or_none())
    return None if kept is None else kept[0]


def newest(tx: Connection, checkpoint_ids: Collection[UUID], *, most: int) -> list[Shift]:
    """Those on duty, then the others, the newest first."""
    found = f"SELECT {_SHIFT} FROM shift WHERE checkpoint_id = ANY(:ids) "  # noqa: S608 (our own names)
    ordered = sa.text(found + "ORDER BY signed_off_at IS NULL DESC, signed_on_at DESC, shift_id DESC LIMIT :most")
    rows = tx.execute(ordered, {"ids": list(checkpoint_ids), "most": most})
    return [kept[0] for row in rows if (kept := _kept(row)) is not None]


def listed(
    tx: Connection,
    *,
    area: str,
    only: Collection[UUID] | None,
    is_on_duty: bool | None,
    before: UUID | None,
    at: datetime,
    most: int,
) -> list[Shift]:
    """Shifts at checkpoints that lie within a subtree now, the newest identifiers first."""
    found = f"""
    SELECT {_SHIFT} FROM shift AS s WHERE EXISTS (
        SELECT FROM checkpoint_version AS v WHERE v.checkpoint_id = s.checkpoint_id AND v.holds_from <= :at
        AND :at < v.holds_until AND starts_with(v.area, :area)
    ) AND (CAST(:only AS uuid[]) IS NULL OR s.checkpoint_id = ANY(:only))
    AND (CAST(:is_on_duty AS boolean) IS NULL OR (s.signed_off_at IS NULL) = :is_on_duty)
    AND (CAST(:before AS uuid) IS NULL OR s.shift_id < :before) ORDER BY s.shift_id DESC LIMIT :most
    """  # noqa: S608 (our own names)
    asked = {"at": at, "area": area, "is_on_duty": is_on_duty, "before": before, "most": most}
    rows = tx.execute(sa.text(found), asked | {"only": None if only is None else list(only)})
    return [kept[0] for row in rows if (kept := _kept(row)) is not None]


def save(tx: Connection, shift: Shift, note_sealed: bytes | None) -> None:
    tx.execute(
        sa.text(
            "UPDATE shift SET version = :version, signed_off_by = :by, signed_off_at = :at, note_sealed = :note "
            "WHERE shift_id = :shift_id"
        ),
        {
            "shift_id": shift.shift_id,
            "version": shift.version,
            "by": shift.signed_off_by,
            "at": shift.signed_off_at,
            "note": note_sealed,
        },
    )


def report_of(tx: Connection, shift: Shift, now: datetime) -> dict[str, Sequence[RowMapping]]:
    """Scans, registrations, cases and troubles at the shift's checkpoint, from sign-on to sign-off (or now)."""
    to_at = shift.signed_off_at or now
    clock_off = clock_off_between(tx, shift.signed_on_at, to_at)
    asked = {
        "checkpoint_id": shift.checkpoint_id,
        "from_at": shift.signed_on_at,
        "to_at": to_at,
        "from_id": uuid7_floor(shift.signed_on_at - ID_APART_MAX),
        "to_id": uuid7_floor(to_at + ID_APART_MAX),
        "clock_off": clock_off,
        "fever": FEVER_C,
    }
    scans = sa.text(_SCANS.format(ids=bound_of_ids(clock_off)))
    queries = {"scans": scans, "registrations": _REGISTRATIONS, "cases": _CASES, "troubles": _TROUBLES}
    with planned_with_values(tx):
        return {name: tx.execute(query, _used(query, asked)).mappings().all() for name, query in queries.items()}


def _used(query: sa.TextClause, asked: dict[str, Any]) -> dict[str, Any]:
    return {name: asked[name] for name in query.compile().params}


def _kept(row: Any) -> Kept | None:
    return None if row is None else (Shift(*row[:8]), None if row[8] is None else bytes(row[8]))
