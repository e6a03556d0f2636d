"""Sign a shift on, keep its note, sign it off."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from services.checkpoints.domain.errors import ShiftIdReused, ShiftNotFound, ShiftOnDutyAlready, VersionStale
from services.checkpoints.domain.shifts import Shift, ShiftStep, after
from services.checkpoints.sealing import Sealer
from services.checkpoints.store import shifts

_NOTE = "note"


class Shifts:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def sign_on(self, tx: Connection, shift: Shift) -> tuple[Shift, bool]:
        """(the shift, whether it is new). Raises `ShiftIdReused`, `ShiftOnDutyAlready`."""
        if shifts.add(tx, shift):
            return shift, True
        kept = shifts.find(tx, shift.shift_id)
        if kept is None:
            on_duty = shifts.on_duty(tx, shift.checkpoint_id)
            raise ShiftOnDutyAlready(None if on_duty is None else on_duty.shift_id)
        known = kept[0]
        if (known.checkpoint_id, known.staff) != (shift.checkpoint_id, shift.staff):
            raise ShiftIdReused()
        return known, False

    def take_step(
        self,
        tx: Connection,
        shift_id: UUID,
        step: ShiftStep,
        *,
        note: str | None,
        expected_version: int,
        by: str,
        now: datetime,
    ) -> Shift:
        """The shift after a note or its sign-off; a note replaces the one before.

        Raises `ShiftNotFound`, `VersionStale`, `ShiftSignedOff`.
        """
        kept = shifts.find(tx, shift_id, is_locked=True)
        if kept is None:
            raise ShiftNotFound()
        shift, sealed = kept
        if shift.version != expected_version:
            raise VersionStale(expected_version, shift.version)
        changed = after(shift, step, by=by, now=now)
        if note is not None:
            sealed = self._sealer.seal(note, owner=shift_id, column=_NOTE)
        shifts.save(tx, changed, sealed)
        return changed

    def note_of(self, kept: shifts.Kept | None) -> str | None:
        if kept is None or kept[1] is None:
            return None
        return self._sealer.open(kept[1], owner=kept[0].shift_id, column=_NOTE)
