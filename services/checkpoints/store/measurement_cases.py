"""Measurement cases as stored, with every step of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from services.checkpoints.domain.measurement import CaseStage, MeasurementCase

_CASE = (
    "case_id, checkpoint_id, device_id, reading_id, temperature_c, stage, version, opened_at, due_at, closed_at, "
    "remeasured_c, person_ref, clinic_id"
)
_TAKE_OVERDUE = sa.text(f"""
UPDATE measurement_case SET overdue_told_at = :now WHERE case_id IN (
    SELECT case_id FROM measurement_case WHERE closed_at IS NULL AND overdue_told_at IS NULL AND due_at < :now
    ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
) RETURNING {_CASE}
""")  # noqa: S608 (our own names)
_WAITING = sa.text(f"""
SELECT {", ".join(f"c.{name}" for name in _CASE.split(", "))}, r.measured_at
FROM reading AS r JOIN measurement_case AS c USING (reading_id)
WHERE r.device_id = :device_id AND r.measured_at > :after AND r.measured_at < :before
  AND c.checkpoint_id = :checkpoint_id AND c.stage = :stage ORDER BY r.measured_at FOR UPDATE OF c
""")  # noqa: S608 (our own names)
OPENED = "open"
"""The step by which a case begins."""


def add(tx: Connection, cases: Sequence[MeasurementCase], *, by: str) -> None:
    tx.execute(
        sa.text(
            f"INSERT INTO measurement_case ({_CASE}) VALUES (:case_id, :checkpoint_id, :device_id, :reading_id, "  # noqa: S608
            ":temperature_c, :stage, :version, :opened_at, :due_at, :closed_at, :remeasured_c, :person_ref, :clinic_id)"
        ),
        [_row(case) for case in cases],
    )
    for case in cases:
        _add_step(tx, case, OPENED, by=by, at=case.opened_at)


def find(tx: Connection, case_id: UUID, *, is_locked: bool = False) -> MeasurementCase | None:
    lock = " FOR UPDATE" if is_locked else ""
    found = sa.text(f"SELECT {_CASE} FROM measurement_case WHERE case_id = :id{lock}")  # noqa: S608 (our own names)
    row = tx.execute(found, {"id": case_id}).one_or_none()
    return None if row is None else _case(row)


def waiting(
    tx: Connection, device_id: str, checkpoint_id: UUID, *, after: datetime, before: datetime
) -> list[tuple[datetime, MeasurementCase]]:
    """The cases to be measured again that a device has opened at a checkpoint with readings of that time, in order;
    locked until the transaction ends."""
    stage = CaseStage.TO_REMEASURE.value
    asked = {"device_id": device_id, "checkpoint_id": checkpoint_id, "after": after, "before": before, "stage": stage}
    return [(row.measured_at, _case(row)) for row in tx.execute(_WAITING, asked)]


def warm(tx: Connection, cases: Sequence[MeasurementCase]) -> None:
    """Keep the higher temperature of a case. It is no step: who looks at the case may still take the next one."""
    warmed = sa.text("UPDATE measurement_case SET temperature_c = :temperature_c WHERE case_id = :case_id")
    if cases:
        tx.execute(warmed, [{"case_id": case.case_id, "temperature_c": case.temperature_c} for case in cases])


def save(tx: Connection, case: MeasurementCase, step: str, *, by: str, at: datetime) -> None:
    tx.execute(
        sa.text(
            "UPDATE measurement_case SET stage = :stage, version = :version, closed_at = :closed_at, "
            "remeasured_c = :remeasured_c, person_ref = :person_ref, clinic_id = :clinic_id WHERE case_id = :case_id"
        ),
        _row(case),
    )
    _add_step(tx, case, step, by=by, at=at)


def _add_step(tx: Connection, case: MeasurementCase, step: str, *, by: str, at: datetime) -> None:
    tx.execute(
        sa.text(
            "INSERT INTO measurement_step (case_id, version, step, stage, made_by, made_at) "
            "VALUES (:case_id, :version, :step, :stage, :by, :at)"
        ),
        {
            "case_id": case.case_id,
            "version": case.version,
            "step": step,
            "stage": case.stage.value,
            "by": by,
            "at": at,
        },
    )


def steps_of(tx: Connection, case_id: UUID) -> Sequence[RowMapping]:
    found = sa.text(
        "SELECT version, step, stage, made_by, made_at FROM measurement_step WHERE case_id = :id ORDER BY version"
    )
    return tx.execute(found, {"id": case_id}).mappings().all()


def open_at(tx: Connection, checkpoint_ids: Collection[UUID], *, most: int = 200) -> list[MeasurementCase]:
    """The unfinished ones of checkpoints, the oldest first."""
    found = sa.text(
        f"SELECT {_CASE} FROM measurement_case WHERE checkpoint_id = ANY(:ids) AND closed_at IS NULL "  # noqa: S608
        "ORDER BY opened_at LIMIT :most"
    )
    return [_case(row) for row in tx.execute(found, {"ids": list(checkpoint_ids), "most": most})]


def take_overdue(tx: Connection, now: datetime, cases_max: int) -> list[MeasurementCase]:
    """Unfinished cases whose time has passed, each once."""
    return [_case(row) for row in tx.execute(_TAKE_OVERDUE, {"now": now, "most": cases_max})]


def _case(row: Any) -> MeasurementCase:
    kept = {name: getattr(row, name) for name in MeasurementCase.__dataclass_fields__}
    return MeasurementCase(**{**kept, "stage": CaseStage(row.stage)})


def _row(case: MeasurementCase) -> dict[str, object]:
    return {name: getattr(case, name) for name in MeasurementCase.__dataclass_fields__} | {"stage": case.stage.value}
