"""Devices that measure: what they read of nobody in particular, and when one of them is silent or drifts.

A device drifts when the median of its last hour lies further from what it should be than `DRIFT_C_MAX`. What it should
be is the median of the other devices of its kind in that hour (the median of their medians), where there are enough of
them; else its own median of the day before. A crowd's skin temperature moves with the weather, and moves every device
alike. 0.5 °C is the error that IEC 80601-2-59:2017 allows a screening thermograph; hand thermometers are allowed less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from statistics import median
from uuid import UUID
from zoneinfo import ZoneInfo

from services.checkpoints.domain.scans import FEVER_C

DRIFT_WITHIN, BASELINE_WITHIN = timedelta(hours=1), timedelta(hours=25)
DRIFT_C_MAX = 0.5
WELL_C_MAX = 0.25
"""A drifting device is well again within half of it, so that one at the limit does not alarm all day."""
READINGS_MIN, FLEET_MIN = 20, 3


class DeviceKind(StrEnum):
    THERMAL_CAMERA = "thermal_camera"
    HAND_THERMOMETER = "hand_thermometer"
    DOOR_SENSOR = "door_sensor"

    @property
    def measures(self) -> bool:
        """Whether its readings carry a temperature; a door's say only that it is there."""
        return self is not DeviceKind.DOOR_SENSOR


class Trouble(StrEnum):
    SILENT = "silent"
    DRIFTING = "drifting"


@dataclass(frozen=True, slots=True)
class Device:
    """`interval_s`: longer without a reading is silence, while it is on duty; `on_from` to `on_to` are the city's time
    of day, None round the clock; `accuracy_c` is the maker's."""

    device_id: str
    kind: DeviceKind
    checkpoint_id: UUID
    accuracy_c: float | None
    interval_s: int
    on_from: time | None = None
    on_to: time | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """`temperature_c` is None of a door."""

    reading_id: UUID
    temperature_c: float | None
    measured_at: datetime

    def is_hot(self) -> bool:
        return self.temperature_c is not None and self.temperature_c >= FEVER_C


def on_duty_since(device: Device, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When its present time of duty began; None while it is off. Round the clock began long ago."""
    if device.on_from is None or device.on_to is None:
        return now - timedelta(days=365)
    local = now.astimezone(zone)
    for day in (local, local - timedelta(days=1)):
        start = day.replace(hour=device.on_from.hour, minute=device.on_from.minute, second=0, microsecond=0)
        end = day.replace(hour=device.on_to.hour, minute=device.on_to.minute, second=0, microsecond=0)
        if end <= start:
            end += timedelta(days=1)
        if start <= local < end:
            return start.astimezone(now.tzinfo)
    return None


def is_silent(
    device: Device,
    *,
    heard_at: datetime | None,
    placed_at: datetime,
    opened_at: datetime,
    now: datetime,
    zone: ZoneInfo,
) -> bool:
    """No reading for its interval since it was last heard, was placed, its checkpoint opened, or its duty began."""
    began = on_duty_since(device, now, zone)
    if began is None:
        return False
    since = max(began, placed_at, opened_at, *([heard_at] if heard_at else []))
    return now - since > timedelta(seconds=device.interval_s)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a device measured: its median of the last hour, over so many readings."""

    device_id: str
    kind: DeviceKind
    median_c: float
    readings: int


def expectations(measured: Sequence[Measured]) -> dict[str, float | None]:
    """What each device should measure, by the others of its kind; None where they are too few, and its own day before
    must say. Devices with too few readings are left out."""
    judged = [each for each in measured if each.readings >= READINGS_MIN]
    found: dict[str, float | None] = {}
    for each in judged:
        others = [other.median_c for other in judged if other.kind is each.kind and other is not each]
        found[each.device_id] = median(others) if len(others) >= FLEET_MIN else None
    return found


def is_drifting(deviation_c: float, *, was_drifting: bool) -> bool:
    return abs(deviation_c) > (WELL_C_MAX if was_drifting else DRIFT_C_MAX)
