"""Puts codes together: `python -m services.codes.main api|worker|republish|restored|migrate|replay ID`."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from fastapi import FastAPI

from chassis.app import serve
from chassis.clock import utc_now
from chassis.commands import Commands
from chassis.consumer import Consumer, replay
from chassis.database import Database
from chassis.event_log.opening import open_event_log
from chassis.forgetting import forgetting
from chassis.relay import Relay
from chassis.settings import read_hex_key, read_settings
from chassis.telemetry import start_telemetry
from chassis.worker import Loop, consumer_check, declaring, every, relay_check, run_worker
from services.codes import messages
from services.codes.api import build
from services.codes.api.desk import Desk
from services.codes.entry_reader import EntryReader
from services.codes.published_lists import PublishedLists
from services.codes.sealing import read_data_keys
from services.codes.settings import CodesSettings, read_area_file, read_rule_set_file
from services.codes.showing import Showings
from services.codes.signing import PassPress, read_signing_keys
from services.codes.store.dossiers import DossiersTable
from services.codes.store.identities import IdentitiesTable
from services.codes.store.lists import ListsTable
from services.codes.store.people import PeopleTable
from services.codes.use_cases.ports import Office
from services.codes.use_cases.republish import FIRST, tell_again
from services.codes.use_cases.restoring import go_on_beyond_the_backup
from services.codes.use_cases.reviews import beat, review_due

PEOPLE_PER_REVIEW = 500


def office_of(settings: CodesSettings) -> Office:
    """Raises `SettingsError` when a file that the settings name cannot be used."""
    return Office(
        people=PeopleTable(),
        dossiers=DossiersTable(),
        lists=ListsTable(),
        sealer=read_data_keys(settings.data_keys_file),
        tell=messages.tell,
        rule_set=read_rule_set_file(settings.rule_set_file),
        city_key=read_hex_key(settings.city_key_file, "CITY_KEY_FILE"),
        city_root=settings.city_root,
    )


def desk_of(settings: CodesSettings, database: Database) -> Desk:
    """Raises `SettingsError` when a file that the settings name cannot be used."""
    keys = read_signing_keys(settings.signing_keys_file)
    press = PassPress(keys, settings.status_list_uri)
    press.check_sizes(utc_now())
    return Desk(
        database=database,
        office=office_of(settings),
        identities=IdentitiesTable(),
        sealer=read_data_keys(settings.data_keys_file),
        published=PublishedLists(database, ListsTable(), keys, settings.status_list_uri),
        press=press,
        keys=keys,
        areas=read_area_file(settings.area_file),
        clock=utc_now,
        appeal_url=settings.appeal_url,
    )


def api() -> int:
    settings = _settings("codes-api")
    database = Database(settings.database_url, connections_max=settings.database_connections_max)
    return serve(compose_api(settings, desk_of(settings, database)), settings)


def compose_api(settings: CodesSettings, desk: Desk) -> Showings:
    """The application, and before it the one request that comes ten times as often as all others."""
    entries = EntryReader(settings.database_url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await entries.close()

    app = build(settings, desk, lifespan=lifespan)
    return Showings(app, token_reader=app.state.token_reader, entries=entries, press=desk.press, clock=desk.clock)


def worker() -> int:
    settings = _settings("codes-worker")
    office = office_of(settings)
    database = Database(settings.database_url, connections_max=settings.database_connections_max)
    event_log = open_event_log(settings, client_id="codes")
    relay = Relay(settings.database_url, event_log, source=messages.SOURCE, topics=messages.TOPICS)
    consumer = Consumer(
        database,
        open_event_log(settings, client_id="codes"),
        group="codes",
        subscriptions=messages.subscriptions(office, utc_now),
        attempts_max=settings.handler_attempts_max,
    )
    loops = {
        "topics": declaring(event_log, messages.OWN_TOPICS),
        "relay": relay.run,
        "consumer": consumer.run,
        "forgetting": forgetting(database, event_log, history=timedelta(days=settings.history_days)),
        **timers(settings, office, database),
    }
    checks = {"relay": relay_check(relay, database), "consumer": consumer_check(consumer)}
    return run_worker("codes worker", settings, loops=loops, checks=checks)


def timers(settings: CodesSettings, office: Office, database: Database) -> dict[str, Loop]:
    def review() -> None:
        reviewed = PEOPLE_PER_REVIEW
        while reviewed == PEOPLE_PER_REVIEW:
            with database.transaction() as tx:
                reviewed = review_due(tx, office, utc_now(), people_max=PEOPLE_PER_REVIEW)

    def heartbeat() -> None:
        with database.transaction() as tx:
            beat(tx, office, utc_now())

    return {
        "review": every(settings.review_s, review, name="review"),
        "heartbeat": every(settings.heartbeat_s, heartbeat, name="heartbeat"),
    }


def republish() -> int:
    """Write the colour of everybody and the standings to the outbox once more; the worker sends them."""
    settings = _settings("codes-republish")
    office, database = office_of(settings), Database(settings.database_url)
    after: UUID | None = FIRST
    while after is not None:
        with database.transaction() as tx:
            after = tell_again(tx, office, after, utc_now(), people_max=PEOPLE_PER_REVIEW)
    return 0


def restored() -> int:
    """After a restore from backup, before `republish`: go on where nothing that was given out since is met."""
    settings = _settings("codes-restored")
    with Database(settings.database_url).transaction() as tx:
        first = go_on_beyond_the_backup(tx, utc_now())
    print(f"codes: every status list goes on at a new revision; new people get entries from list {first} on")
    return 0


def replay_dead_letter(dead_letter_id: int) -> int:
    """1 when there is no such dead letter, or it was replayed before."""
    settings = _settings("codes-replay")
    subscriptions = messages.subscriptions(office_of(settings), utc_now)
    return 0 if replay(Database(settings.database_url), subscriptions, dead_letter_id) else 1


def _settings(process: str) -> CodesSettings:
    settings = read_settings(CodesSettings, os.environ)
    start_telemetry(process, log_level=settings.log_level, otlp_endpoint=settings.otlp_endpoint)
    return settings


def main(arguments: Sequence[str]) -> int:
    by_name = {"api": api, "worker": worker, "republish": republish, "restored": restored}
    return Commands("codes", by_name, replay_dead_letter, Path(__file__).parent / "migrations").run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
