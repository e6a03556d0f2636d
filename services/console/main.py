"""The console's composition root: `python -m services.console.main api|worker|republish|migrate|replay ID`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from fastapi import FastAPI

from chassis.app import Readiness, create_app, rest_garbage_collector, run_until_signalled, server_of
from chassis.clock import utc_now
from chassis.commands import Commands
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.dead_letters import replay
from chassis.doors import Limits
from chassis.event_log.opening import open_event_log
from chassis.forgetting import LOG_SHORTER, forgetting
from chassis.settings import read_settings, trust_of
from chassis.telemetry import start_telemetry
from chassis.worker import consumer_check, every, run_worker
from city.areas import read_areas as read_area_tree
from services.console.api import PROBLEMS, add_routes
from services.console.areas import Areas, read_areas
from services.console.domain.figures import AreaAlarms, Figures
from services.console.freshness import Freshness, WatchedLog
from services.console.live import Live, ScreenLimits
from services.console.messages import subscriptions
from services.console.pages.overview import Overview
from services.console.process_watch import ProcessWatch
from services.console.retention import forget_days, forget_seconds
from services.console.settings import ConsoleSettings
from services.console.store import read_alarms, read_figures
from services.console.vendor import VENDOR

_LOOK_S = 0.2
"""The pages show figures twice a second."""


def build_api(
    settings: ConsoleSettings,
    database: Database,
    areas: Areas,
    *,
    is_ending: Callable[[], bool],
    vendor: Path = VENDOR,
) -> FastAPI:
    """The application; `is_ending` tells when the server was told to stop, which ends the live streams."""
    watch = ProcessWatch(settings.workers_json, trust=trust_of(settings))

    def figures(now: datetime, watched: Set[str]) -> tuple[Figures, Mapping[str, AreaAlarms]]:
        with database.transaction() as tx:
            alarms = read_alarms(tx, watched, now=now, zone=settings.zone, areas=areas)
            return read_figures(tx, now=now, zone=settings.zone), alarms

    live = Live(
        figures,
        processes=lambda: watch.processes,
        sources=watch.sources,
        clock=utc_now,
        limits=ScreenLimits(
            officials_max=settings.screens_max,
            public_max=settings.screens_public_max,
            per_caller_max=settings.screens_per_caller_max,
        ),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(each) for each in (live.run(), watch.run(), live.end_when(is_ending))]
            yield
            live.end()
            for task in running:
                task.cancel()

    app = create_app(
        "Guanka console",
        settings,
        checks={"database": lambda: Readiness(database.is_ready())},
        problems=PROBLEMS,
        is_area=read_area_tree(settings.area_file).has,
        lifespan=lifespan,
    )
    overview = Overview(settings.zone, city=areas.city(), vendor=vendor)
    door_of = Limits(trusted_proxies=settings.trusted_proxies).door_of
    add_routes(app, live=live, overview=overview, areas=areas, vendor=vendor, door_of=door_of)
    return app


def api() -> int:
    settings = _start("console-api")
    database = Database(settings.database_url, connections_max=settings.database_connections_max)
    app = build_api(settings, database, read_areas(settings.area_file), is_ending=lambda: running.should_exit)
    running = server_of(app, settings)
    rest_garbage_collector()
    run_until_signalled(running)
    database.close()
    return 0 if running.started else 1


def worker() -> int:
    settings = _start("console-worker")
    database = Database(settings.database_url, connections_max=settings.database_connections_max)
    event_log = open_event_log(settings, client_id="console-worker")
    freshness = Freshness(utc_now)
    consumer = Consumer(
        database,
        WatchedLog(event_log, freshness),
        group="console",
        subscriptions=subscriptions(settings.zone),
        attempts_max=settings.handler_attempts_max,
        records_max=2000,
        pace_s=_LOOK_S,
    )

    def forget_the_minute() -> None:
        with database.transaction() as tx:
            forget_seconds(tx, utc_now())

    def forget_the_hour() -> None:
        with database.transaction() as tx:
            forget_days(tx, utc_now(), settings.zone, history=timedelta(days=settings.history_days))

    history = timedelta(days=settings.history_days)
    return run_worker(
        "Guanka console worker",
        settings,
        loops={
            "consumer": consumer.run,
            "freshness": every(0.5, lambda: freshness.store(database), name="freshness"),
            "forgetting": forgetting(database, event_log, history=history - LOG_SHORTER),
            "forget-seconds": every(60, forget_the_minute, name="forget-seconds"),
            "forget-days": every(3600, forget_the_hour, name="forget-days", first_s=5),
        },
        checks={"consumer": consumer_check(consumer)},
    )


def republish() -> int:
    """The console only listens: its read model is rebuilt from what the other services republish."""
    print("The console writes no events, so it has nothing to republish.")
    return 0


def replay_dead_letter(dead_letter_id: int) -> int:
    """1 when there is no such dead letter, or it was replayed before."""
    settings = _start("console-replay")
    return 0 if replay(Database(settings.database_url), subscriptions(settings.zone), dead_letter_id) else 1


def _start(process: str) -> ConsoleSettings:
    settings = read_settings(ConsoleSettings, os.environ)
    start_telemetry(process, log_level=settings.log_level, otlp_endpoint=settings.otlp_endpoint)
    return settings


def main(arguments: Sequence[str]) -> int:
    by_name = {"api": api, "worker": worker, "republish": republish}
    return Commands("console", by_name, replay_dead_letter, Path(__file__).parent / "migrations").run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
