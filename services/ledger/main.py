"""The ledger's composition root: `python -m services.ledger.main api|worker|republish|verify|migrate|replay ID`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from chassis.app import serve
from chassis.clock import utc_now
from chassis.commands import Commands
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.dead_letters import replay
from chassis.event_log.opening import open_event_log
from chassis.forgetting import forgetting
from chassis.relay import Relay
from chassis.settings import DatabaseSettings, read_hex_key, read_settings
from chassis.telemetry import start_logging, start_telemetry
from chassis.worker import Loop, consumer_check, declaring, every, relay_check, run_worker
from services.ledger import journal, messages
from services.ledger.api import ledger_app
from services.ledger.api.parts import Parts
from services.ledger.deadlines import amendment_check, deadline_check
from services.ledger.definition_files import read_definitions
from services.ledger.domain.city import City
from services.ledger.domain.contacts import pseudonym_of
from services.ledger.sealing import read_sealer
from services.ledger.settings import LedgerSettings, read_area_file
from services.ledger.store import told_definitions
from services.ledger.store.book import PostgresBook
from services.ledger.store.pages import pages_to_tell
from services.ledger.use_cases.telling_again import state_of

_AMENDMENTS_EVERY_S = 3600.0
_DEADLINES_EVERY_S = 1.0
_DEFINITIONS_EVERY_S = 60.0
"""They are read at start, so one look is enough; further ones are for a store that was away at the first."""


def api() -> int:
    settings = read_settings(LedgerSettings, os.environ)
    parts = compose(settings)
    start_telemetry("ledger-api", log_level=settings.log_level, otlp_endpoint=settings.otlp_endpoint)
    try:
        return serve(ledger_app(settings, parts), settings)
    finally:
        parts.database.close()


def worker() -> int:
    settings = read_settings(LedgerSettings, os.environ)
    parts = compose(settings)
    start_telemetry("ledger-worker", log_level=settings.log_level, otlp_endpoint=settings.otlp_endpoint)
    event_log = open_event_log(settings, client_id="ledger-worker")
    relay = Relay(settings.database_url, event_log, source=messages.SOURCE, topics=messages.TOPICS)
    consumer = Consumer(
        parts.database,
        event_log,
        group="ledger",
        subscriptions=messages.subscriptions(parts.city, parts.open_book, parts.clock),
        attempts_max=settings.handler_attempts_max,
    )
    check = deadline_check(parts.database, parts.city, parts.open_book, parts.clock)
    amend = amendment_check(parts.database, parts.city, parts.open_book, parts.clock)
    loops: dict[str, Loop] = {
        "topics": declaring(event_log, messages.declared(settings.history_days)),
        "definitions": every(_DEFINITIONS_EVERY_S, partial(tell_definitions, parts), name="definitions", first_s=0.0),
        "relay": relay.run,
        "consumer": consumer.run,
        "amendments": every(_AMENDMENTS_EVERY_S, amend, name="amendments", first_s=0.0),
        "deadlines": every(_DEADLINES_EVERY_S, check, name="deadlines"),
        "forgetting": forgetting(parts.database, event_log, history=timedelta(days=settings.history_days)),
    }
    checks = {"relay": relay_check(relay, parts.database), "consumer": consumer_check(consumer)}
    return run_worker("Guanka ledger worker", settings, loops=loops, checks=checks)


def republish() -> int:
    """Tell definitions, and entries that are open or were closed of late, for readers that lost a part of the log."""
    settings = read_settings(LedgerSettings, os.environ)
    parts = compose(settings)
    with parts.database.transaction() as tx:
        definitions = told_definitions.told(tx, parts.city.ledgers.definitions, parts.clock())
        messages.tell(tx, definitions)
    told = len(definitions)
    for page in pages_to_tell(parts.database, partial(pseudonym_of, parts.city_key), parts.clock()):
        with parts.database.transaction() as tx:
            happenings = state_of(*page(tx), parts.clock())
            messages.tell(tx, happenings)
        told += len(happenings)
    print(json.dumps({"events": told}))
    return 0


def tell_definitions(parts: Parts) -> None:
    """Tell the definitions that are new or whose words have changed since they were told."""
    with parts.database.transaction() as tx:
        messages.tell(tx, told_definitions.untold(tx, parts.city.ledgers.definitions, parts.clock()))


def replay_dead_letter(dead_letter_id: int) -> int:
    """1 when there is no such dead letter, or it was replayed before."""
    parts = compose(read_settings(LedgerSettings, os.environ))
    subscriptions = messages.subscriptions(parts.city, parts.open_book, parts.clock)
    return 0 if replay(parts.database, subscriptions, dead_letter_id) else 1


def verify() -> int:
    """Walk the journal's chain; print what was found as JSON, and exit 1 when it is broken."""
    database = Database(read_settings(DatabaseSettings, os.environ).database_url, statement_timeout_s=3600)
    with database.transaction() as tx:
        verdict = journal.verify(tx)
    database.close()
    print(json.dumps(asdict(verdict)))
    return 0 if verdict.whole else 1


def compose(settings: LedgerSettings) -> Parts:
    """Everything that the processes share. Raises `SettingsError`."""
    return Parts(
        database=Database(settings.database_url, connections_max=settings.database_connections_max),
        city=City(read_definitions(settings.definitions_dir), read_area_file(settings.area_file)),
        open_book=open_book,
        city_key=read_hex_key(settings.city_key_file, "CITY_KEY_FILE"),
        sealer=read_sealer(settings.data_keys_file),
        clock=utc_now,
    )


def open_book(tx: Connection) -> PostgresBook:
    return PostgresBook(tx, messages.tell)


def main(arguments: Sequence[str]) -> int:
    start_logging("INFO")
    by_name = {"api": api, "worker": worker, "republish": republish, "verify": verify}
    return Commands("ledger", by_name, replay_dead_letter, Path(__file__).parent / "migrations").run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
