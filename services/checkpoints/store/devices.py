"""Devices, what they read, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from services.checkpoints.domain.devices import (
    BASELINE_WITHIN,
    DRIFT_WITHIN,
    READINGS_MIN,
    Device,
    DeviceKind,
    Measured,
    Reading,
    Trouble,
)

_DEVICE = "device_id, kind, checkpoint_id, accuracy_c, interval_s, on_from, on_to, revision"
_SAVE = """
    checkpoint_id = :checkpoint_id, accuracy_c = :accuracy_c, interval_s = :interval_s, on_from = :on_from,
    on_to = :on_to, revision = :revision, placed_by = :by, placed_at = :at, heard_at = NULL
"""
_MEDIAN = "percentile_cont(0.5) WITHIN GROUP (ORDER BY r.temperature_c)::float8"
_MEASURED = sa.text(f"""
SELECT d.device_id, d.kind, {_MEDIAN} AS median_c, count(*) AS readings
FROM device AS d JOIN reading AS r USING (device_id)
WHERE r.measured_at > :from_at AND r.measured_at <= :to_at AND r.temperature_c IS NOT NULL GROUP BY d.device_id
""")  # noqa: S608 (our own names)
_BASELINES = sa.text(f"""
SELECT r.device_id, {_MEDIAN} AS baseline_c FROM reading AS r
WHERE r.device_id = ANY(:ids) AND r.measured_at > :from_at AND r.measured_at <= :to_at AND r.temperature_c IS NOT NULL
GROUP BY r.device_id HAVING count(*) >= :least
""")  # noqa: S608 (our own names)


@dataclass(frozen=True, slots=True)
class Watched:
    """A device with what its silence is judged by, and its open troubles."""

    device: Device
    heard_at: datetime | None
    placed_at: datetime
    troubles: frozenset[Trouble]


def add(tx: Connection, device: Device, *, by: str, at: datetime) -> bool:
    """False when the id is taken."""
    added = tx.execute(
        sa.text(
            "INSERT INTO device (device_id, kind, checkpoint_id, accuracy_c, interval_s, on_from, on_to, revision, "
            "placed_by, placed_at) VALUES (:device_id, :kind, :checkpoint_id, :accuracy_c, :interval_s, :on_from, "
            ":on_to, :revision, :by, :at) ON CONFLICT (device_id) DO NOTHING"
        ),
        {**_row(device), "by": by, "at": at},
    )
    return added.rowcount == 1


def find(tx: Connection, device_id: str, *, is_locked: bool = False) -> Device | None:
    lock = " FOR UPDATE" if is_locked else ""
    found = sa.text(f"SELECT {_DEVICE} FROM device WHERE device_id = :id{lock}")  # noqa: S608 (our own names)
    row = tx.execute(found, {"id": device_id}).one_or_none()
    return None if row is None else _device(row)


def save(tx: Connection, device: Device, *, by: str, at: datetime) -> None:
    """Keep a device as it is placed anew."""
    tx.execute(
        sa.text(f"UPDATE device SET {_SAVE} WHERE device_id = :device_id"),  # noqa: S608 (our own names)
        {**_row(device), "by": by, "at": at},
    )


def raise_revision(tx: Connection, device_id: str) -> int:
    """The device's next revision, under its lock until the transaction ends."""
    raised = sa.text("UPDATE device SET revision = revision + 1 WHERE device_id = :id RETURNING revision")
    return int(tx.execute(raised, {"id": device_id}).scalar_one())


def _device(row: Sequence[Any]) -> Device:
    return Device(row[0], DeviceKind(row[1]), *row[2:8])


def _row(device: Device) -> dict[str, object]:
    return {
        "device_id": device.device_id,
        "kind": device.kind.value,
        "checkpoint_id": device.checkpoint_id,
        "accuracy_c": device.accuracy_c,
        "interval_s": device.interval_s,
        "on_from": device.on_from,
        "on_to": device.on_to,
        "revision": device.revision,
    }


# -- readings ----------------------------------------------------------------------------------------------------------


def add_readings(tx: Connection, device_id: str, readings: Sequence[Reading], now: datetime) -> set[UUID]:
    """Record readings, each once; which were new."""
    ordered = sorted(readings, key=lambda reading: reading.reading_id)
    new = tx.execute(
        sa.text(
            "INSERT INTO reading (reading_id, device_id, temperature_c, measured_at, received_at) "
            "SELECT r.reading_id, :device_id, r.temperature_c, r.measured_at, :now "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:temperatures AS float8[]), CAST(:times AS timestamptz[])) "
            "AS r (reading_id, temperature_c, measured_at) ON CONFLICT (reading_id) DO NOTHING RETURNING reading_id"
        ),
        {
            "device_id": device_id,
            "now": now,
            "ids": [reading.reading_id for reading in ordered],
            "temperatures": [reading.temperature_c for reading in ordered],
            "times": [reading.measured_at for reading in ordered],
        },
    )
    return set(new.scalars())


def readings_of(tx: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[str, Reading]]:
    """(device, reading) by id."""
    rows = tx.execute(
        sa.text("SELECT reading_id, device_id, temperature_c, measured_at FROM reading WHERE reading_id = ANY(:ids)"),
        {"ids": list(ids)},
    )
    return {
        row.reading_id: (row.device_id, Reading(row.reading_id, row.temperature_c, row.measured_at)) for row in rows
    }


def hear(tx: Connection, device_id: str, at: datetime) -> None:
    """Remember that a device was heard."""
    tx.execute(
        sa.text("UPDATE device SET heard_at = greatest(heard_at, :at) WHERE device_id = :id"),
        {"id": device_id, "at": at},
    )


def measured(tx: Connection, now: datetime) -> list[Measured]:
    """What every device measured in the last hour."""
    rows = tx.execute(_MEASURED, {"from_at": now - DRIFT_WITHIN, "to_at": now})
    return [Measured(row.device_id, DeviceKind(row.kind), row.median_c, row.readings) for row in rows]


def baselines(tx: Connection, ids: Collection[str], now: datetime) -> dict[str, float]:
    """The median of the day before that hour, of devices that measured enough in it."""
    span = {"from_at": now - BASELINE_WITHIN, "to_at": now - DRIFT_WITHIN, "least": READINGS_MIN}
    return {row.device_id: row.baseline_c for row in tx.execute(_BASELINES, {"ids": list(ids), **span})}


# -- troubles ----------------------------------------------------------------------------------------------------------


def watched(tx: Connection) -> list[Watched]:
    """Every device."""
    rows = tx.execute(
        sa.text(
            "SELECT d.device_id, d.kind, d.checkpoint_id, d.accuracy_c, d.interval_s, d.on_from, d.on_to, d.revision, "
            "d.heard_at, d.placed_at, array_remove(array_agg(t.trouble), NULL) AS troubles FROM device AS d "
            "LEFT JOIN device_trouble AS t ON t.device_id = d.device_id AND t.until IS NULL "
            "GROUP BY d.device_id ORDER BY d.device_id"
        )
    )
    return [
        Watched(
            device=_device(row),
            heard_at=row.heard_at,
            placed_at=row.placed_at,
            troubles=frozenset(Trouble(each) for each in row.troubles),
        )
        for row in rows
    ]


def begin_trouble(tx: Connection, device_id: str, trouble: Trouble, at: datetime, deviation_c: float | None) -> bool:
    """False where it has begun already."""
    begun = tx.execute(
        sa.text(
            "INSERT INTO device_trouble (device_id, trouble, since, deviation_c) "
            "VALUES (:device_id, :trouble, :at, :deviation_c) ON CONFLICT DO NOTHING"
        ),
        {"device_id": device_id, "trouble": trouble.value, "at": at, "deviation_c": deviation_c},
    )
    return begun.rowcount == 1


def end_trouble(tx: Connection, device_id: str, trouble: Trouble, at: datetime) -> bool:
    """False where there was none."""
    ended = tx.execute(
        sa.text(
            "UPDATE device_trouble SET until = :at WHERE device_id = :device_id AND trouble = :trouble "
            "AND until IS NULL"
        ),
        {"device_id": device_id, "trouble": trouble.value, "at": at},
    )
    return ended.rowcount == 1


def troubles_of(tx: Connection, device_id: str, *, most: int = 50) -> Sequence[RowMapping]:
    """The newest first."""
    found = sa.text(
        "SELECT trouble, since, until, deviation_c FROM device_trouble WHERE device_id = :id "
        "ORDER BY since DESC LIMIT :most"
    )
    return tx.execute(found, {"id": device_id, "most": most}).mappings().all()


def forget_readings(tx: Connection, before: datetime) -> None:
    """Destroy what was measured before a moment."""
    tx.execute(sa.text("DELETE FROM reading WHERE measured_at < :before"), {"before": before})
