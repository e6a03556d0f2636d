"""What the worker does by the clock for those on duty: changes of checkpoints come to hold at their set time."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.database import Database
from services.checkpoints.use_cases.places import DUE_AT_ONCE, Places


class Duty:
    def __init__(self, database: Database, places: Places, *, clock: Clock) -> None:
        self._database, self._places, self._clock = database, places, clock

    def show_due(self) -> None:
        """Let the checkpoints of which a change has come to hold show it."""
        shown = DUE_AT_ONCE
        while shown == DUE_AT_ONCE:
            with self._database.transaction() as tx:
                shown = self._places.show_due(tx, self._clock())
