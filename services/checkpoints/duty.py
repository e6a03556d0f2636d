"""What the worker does by the clock for those on duty: changes come to hold, devices are watched, delays are told."""

from __future__ import annotations

from datetime import timedelta

from chassis.clock import Clock
from chassis.database import Database
from services.checkpoints.store import devices, used_passes
from services.checkpoints.use_cases.measuring import OVERDUE_AT_ONCE, Measuring
from services.checkpoints.use_cases.places import DUE_AT_ONCE, Places
from services.checkpoints.use_cases.venues import Venues


class Duty:
    def __init__(
        self,
        database: Database,
        places: Places,
        measuring: Measuring,
        venues: Venues,
        *,
        reading_days: int,
        clock: Clock,
    ) -> None:
        self._database, self._places, self._measuring, self._venues = database, places, measuring, venues
        self._clock = clock
        self._reading_days = timedelta(days=reading_days)

    def show_due(self) -> None:
        """Let the checkpoints of which a change has come to hold show it."""
        shown = DUE_AT_ONCE
        while shown == DUE_AT_ONCE:
            with self._database.transaction() as tx:
                shown = self._places.show_due(tx, self._clock())

    def look_round(self) -> None:
        """Tell of devices that are silent, of venues that the new day has emptied, and of hot readings that nobody has
        finished with."""
        now = self._clock()
        with self._database.transaction() as tx:
            self._measuring.watch_silence(tx, now)
        with self._database.transaction() as tx:
            self._venues.turn_day(tx, now)
        told = OVERDUE_AT_ONCE
        while told == OVERDUE_AT_ONCE:
            with self._database.transaction() as tx:
                told = self._measuring.tell_overdue(tx, now)

    def empty_used_passes(self) -> None:
        """Forget who was let in with passes that nobody can show any more."""
        with self._database.transaction() as tx:
            used_passes.empty_opposite(tx, self._clock())

    def watch_drift(self) -> None:
        """Tell of devices that drift: this reads an hour of readings, so it is asked less often."""
        with self._database.transaction() as tx:
            self._measuring.watch_drift(tx, self._clock())

    def forget_readings(self) -> None:
        """Destroy the readings that were kept long enough (docs/retention.md)."""
        with self._database.transaction() as tx:
            devices.forget_readings(tx, self._clock() - self._reading_days)
