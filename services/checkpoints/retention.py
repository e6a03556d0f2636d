"""How long things are kept: days of scans are made ahead and destroyed in time, and what hangs on them is forgotten."""

from __future__ import annotations

from datetime import timedelta

from chassis.clock import Clock
from chassis.database import Database
from services.checkpoints.partitions import drop_partitions, make_partitions
from services.checkpoints.store import history, traces


class Retention:
    def __init__(self, database: Database, *, history_days: int, clock: Clock) -> None:
        self._database, self._history_days, self._clock = database, history_days, clock

    def run_once(self) -> None:
        now = self._clock()
        make_partitions(self._database.url, now)
        drop_partitions(self._database.url, now, history_days=self._history_days)
        with self._database.transaction() as tx:
            history.trim(tx, now)
            traces.forget(tx, now - timedelta(days=self._history_days))
