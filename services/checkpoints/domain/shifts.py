"""A shift at a checkpoint: signed on with its staff, signed off with a note for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.checkpoints.domain.errors import ShiftSignedOff


class ShiftStage(StrEnum):
    ON_DUTY = "on_duty"
    SIGNED_OFF = "signed_off"


class ShiftStep(StrEnum):
    NOTE = "note"
    SIGN_OFF = "sign_off"


STAGES: Mapping[ShiftStage, Mapping[ShiftStep, ShiftStage]] = {
    ShiftStage.ON_DUTY: {ShiftStep.NOTE: ShiftStage.ON_DUTY, ShiftStep.SIGN_OFF: ShiftStage.SIGNED_OFF},
    ShiftStage.SIGNED_OFF: {},
}


@dataclass(frozen=True, slots=True)
class Shift:
    """The note is kept apart from it, sealed."""

    shift_id: UUID
    checkpoint_id: UUID
    staff: int
    version: int
    signed_on_by: str
    signed_on_at: datetime
    signed_off_by: str | None = None
    signed_off_at: datetime | None = None

    @property
    def stage(self) -> ShiftStage:
        return ShiftStage.ON_DUTY if self.signed_off_at is None else ShiftStage.SIGNED_OFF


def after(shift: Shift, step: ShiftStep, *, by: str, now: datetime) -> Shift:
    """The shift after a step. Raises `ShiftSignedOff`."""
    stage = STAGES[shift.stage].get(step)
    if stage is None:
        raise ShiftSignedOff()
    changed = replace(shift, version=shift.version + 1)
    return replace(changed, signed_off_by=by, signed_off_at=now) if stage is ShiftStage.SIGNED_OFF else changed
