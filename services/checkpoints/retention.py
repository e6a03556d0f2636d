"""How long things are kept: days of scans are made ahead and destroyed in time, and what hangs on them is forgotten.

What is destroyed is written down in the same transaction (the table `destruction`, only ever added to).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import structlog

from chassis.clock import Clock
from chassis.database import Database
from services.checkpoints.domain.events import ScansDestroyed
from services.checkpoints.domain.facts import Destruction
from services.checkpoints.partitions import detach_partitions, make_partitions
from services.checkpoints.store import destructions, history
from services.checkpoints.trace import Tell

log = structlog.get_logger("retention")


class Retention:
    def __init__(self, database: Database, *, history_days: int, tell: Tell, clock: Clock) -> None:
        self._database, self._history_days = database, history_days
        self._tell, self._clock = tell, clock
        self._rule = f"HISTORY_DAYS={history_days}"

    def run_once(self) -> None:
        now = self._clock()
        make_partitions(self._database.url, now)
        for day in detach_partitions(self._database.url, now, history_days=self._history_days):
            self._destroy_day(day, now)
        with self._database.transaction() as tx:
            history.trim(tx, now)
        self._forget(now)

    def _destroy_day(self, day: date, now: datetime) -> None:
        with self._database.transaction() as tx:
            rows = destructions.drop_day(tx, day)
            if rows is None:
                return
            destruction = Destruction("scan", day, rows, now, self._rule)
            destructions.add(tx, destruction)
            self._tell(tx, [ScansDestroyed(destruction)])
        log.info("a day of scans was destroyed", day=day.isoformat(), scans=rows)

    def _forget(self, now: datetime) -> None:
        """What is not kept by day: rows of traces, and events that the log has not taken in all that time."""
        before = now - timedelta(days=self._history_days)
        for what in destructions.FORGOTTEN:
            with self._database.transaction() as tx:
                rows = destructions.forget(tx, what, before, now)
                if rows:
                    destructions.add(tx, Destruction(what, before.date(), rows, now, self._rule))
                    log.info("rows were destroyed", what=what, rows=rows)
