"""A console on a real PostgreSQL that hears the other services over a real event log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.event_log.local import LocalEventLog
from services.console.areas import Areas, read_areas
from services.console.domain.figures import AreaAlarms, Figures
from services.console.freshness import Freshness, WatchedLog
from services.console.messages import subscriptions
from services.console.store import read_alarms, read_figures
from tests.fakes.neighbours import Neighbours

GUANGZHOU = ZoneInfo("Asia/Shanghai")


@dataclass
class Hearing:
    """The console's worker in this process: `figures()` are those after everything told so far was applied."""

    database: Database
    neighbours: Neighbours
    freshness: Freshness
    consumer: Consumer
    areas: Areas

    def figures(self) -> Figures:
        told = datetime.now(UTC)
        deadline = time.monotonic() + 20
        while (self.freshness.known_until or datetime.min.replace(tzinfo=UTC)) <= told:
            assert time.monotonic() < deadline, f"the consumer does not get on: {self.consumer.trouble}"
            time.sleep(0.01)
        self.freshness.store(self.database)
        return self.figures_at(datetime.now(UTC))

    def figures_at(self, now: datetime) -> Figures:
        with self.database.transaction() as tx:
            return read_figures(tx, now=now, zone=GUANGZHOU)

    def alarms_of(self, area: str) -> AreaAlarms:
        """Of everything that `figures()` waited for."""
        with self.database.transaction() as tx:
            return read_alarms(tx, [area], now=datetime.now(UTC), zone=GUANGZHOU, areas=self.areas)[area]


@pytest.fixture
def hearing(migrated: Callable[[str], str], fresh_database: str) -> Iterator[Hearing]:
    event_log = LocalEventLog(fresh_database)
    neighbours = Neighbours(event_log)
    database = Database(migrated("console"))
    freshness = Freshness(lambda: datetime.now(UTC))
    consumer = Consumer(
        database, WatchedLog(event_log, freshness), group="console", subscriptions=subscriptions(GUANGZHOU)
    )
    stop = threading.Event()
    running = threading.Thread(target=consumer.run, args=(stop,))
    running.start()
    yield Hearing(database, neighbours, freshness, consumer, read_areas(Path("data/guangzhou/areas.csv")))
    stop.set()
    running.join()
    neighbours.close()
    database.close()
    event_log.close()
