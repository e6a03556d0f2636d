"""Puts checkpoints together: `python -m services.checkpoints.main api|worker|republish|restored|migrate|replay ID`."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import structlog
from fastapi import FastAPI
from opentelemetry.metrics import CallbackOptions, Observation
from sqlalchemy import Connection

from chassis.app import Readiness, serve
from chassis.clock import utc_now
from chassis.commands import Commands
from chassis.consumer import Consumer, Subscription, replay
from chassis.database import Database
from chassis.event_log import EventLog
from chassis.event_log.opening import open_event_log
from chassis.forgetting import forgetting
from chassis.relay import Relay
from chassis.settings import read_hex_key, read_settings, trust_of
from chassis.telemetry import meter, start_telemetry
from chassis.worker import Loop, consumer_check, declaring, every, relay_check, run_worker
from services.checkpoints import messages, setting_files
from services.checkpoints.answers import AnswerTimes
from services.checkpoints.api.application import build
from services.checkpoints.api.desk import Desk
from services.checkpoints.attempts import AttemptReader
from services.checkpoints.batch_scans import BatchScans
from services.checkpoints.board import Board
from services.checkpoints.board_feed import BoardFeed
from services.checkpoints.board_watch import board_check, measure_board
from services.checkpoints.bound_checkpoints import BoundCheckpoints
from services.checkpoints.bundle_signing import BundleSigner
from services.checkpoints.bundles import SignedLists
from services.checkpoints.codes_client import CodesClient
from services.checkpoints.directory import Directory
from services.checkpoints.domain.events import CheckpointRegistered, DomainEvent
from services.checkpoints.domain.keeping import Keeping
from services.checkpoints.duty import Duty
from services.checkpoints.fast_path import ScanPath
from services.checkpoints.fresh_holders import FreshHolders
from services.checkpoints.holders import Holders
from services.checkpoints.key_ring import KeyRing
from services.checkpoints.keys_feed import KeysFeed
from services.checkpoints.masks import Masks
from services.checkpoints.partitions import make_first_partitions
from services.checkpoints.policy_shelf import PolicyShelf
from services.checkpoints.publication import Publication
from services.checkpoints.rate_limit import Admission, RateLimit
from services.checkpoints.registry import Registry
from services.checkpoints.retention import Retention
from services.checkpoints.scan_log import ScanLog
from services.checkpoints.scan_parts import ScanParts
from services.checkpoints.scan_routes import ScanRoutes
from services.checkpoints.second_looks import OfflineDifferences, Reuses, of_the_last_days, one_after_the_other
from services.checkpoints.settings import CheckpointsSettings
from services.checkpoints.sightings import Sightings
from services.checkpoints.signed import Keys
from services.checkpoints.single_scans import SingleScans
from services.checkpoints.standing_queue import StandingQueue
from services.checkpoints.store import lives, registrations, standings, traces
from services.checkpoints.store import policies as published_policies
from services.checkpoints.store.used_passes import EMPTY_S, USED_PASS_TABLES
from services.checkpoints.taken_decisions import TakenDecisions
from services.checkpoints.trace import Tracing
from services.checkpoints.use_cases.findings import Findings
from services.checkpoints.use_cases.measuring import Measuring
from services.checkpoints.use_cases.places import Places
from services.checkpoints.use_cases.registering import Registering, tell_arrivals_again
from services.checkpoints.use_cases.shifts import Shifts
from services.checkpoints.use_cases.venues import Venues

log = structlog.get_logger("checkpoints")

POLICY_REFRESH_S = 0.5
REGISTRY_REFRESH_S, SNAPSHOT_S, FILL_S, CATCH_UP_S, RETENTION_S = 1.0, 5.0, 1.0, 5.0, 3600.0
LIFE_S, DUTY_S, DRIFT_S = 0.25, 5.0, 60.0
RELAY_PACE_S, CONSUMER_PACE_S = 0.1, 0.1
"""Ten passes a second: at 25 the peak's 343 scans/s cost half as much again, in all that read them."""
PACED_FROM = 100
"""Records of a batch from which the worker paces itself: below it, whoever was enrolled just now is known at once."""


def tell(tx: Connection, events: Iterable[DomainEvent]) -> None:
    messages.tell(tx, events, utc_now())


@dataclass(frozen=True, slots=True)
class Api:
    """The api process: the application with the scan path in front, and what runs beside it."""

    app: FastAPI
    scan_routes: ScanRoutes
    board: Board
    key_ring: KeyRing


def compose_api(
    settings: CheckpointsSettings,
    *,
    codes: CodesClient | None = None,
    event_log: EventLog | None = None,
    codes_transport: httpx.AsyncBaseTransport | None = None,
) -> Api:
    """Raises `SettingsError` when a file that the settings name cannot be used."""
    city_key = read_hex_key(settings.city_key_file, "CITY_KEY_FILE")
    database = Database(settings.database_url, connections_max=settings.database_connections_max)
    codes = codes or CodesClient(settings.codes_url, settings.service_token_file, trust=trust_of(settings))
    event_log = event_log or open_event_log(settings, client_id="checkpoints-api")
    board, key_ring = Board(settings.board_stale_s), KeyRing(settings.status_list_uri)
    policy_jwks, policy_keys = setting_files.policy_keys(settings)
    bundle_signer = BundleSigner(city_key)
    publication = Publication(policy_keys)
    policies, registry = _policies(settings, database, policy_keys), Registry(_changed_checkpoints(database))
    areas, sealer = setting_files.areas(settings), setting_files.sealer(settings)
    directory = Directory(settings.database_url, timeout_s=settings.scan_append_timeout_s)
    masks = Masks(
        settings.codes_url,
        settings.service_token_file,
        key_ring=key_ring,
        policies=policies,
        trust=trust_of(settings),
        transport=codes_transport,
    )
    taken_database = Database(settings.database_url, connections_max=2, statement_timeout_s=5)
    fresh = FreshHolders()
    scan_log = ScanLog(
        settings.database_url,
        encode=messages.scan_recorded_payload,
        keep_taken=TakenDecisions(taken_database, tell).keep,
        group_max=settings.scan_group_max,
        queue_max=settings.scan_queue_max,
        append_timeout_s=settings.scan_append_timeout_s,
        fresh=fresh,
    )
    scan_path = ScanPath(
        key_ring=key_ring,
        board=board,
        policies=policies,
        scan_log=scan_log,
        directory=directory,
        sightings=Sightings(setting_files.reuse_rule(settings), setting_files.positions(settings)),
        clock=utc_now,
    )
    admission = Admission(RateLimit(settings.scan_admission_per_s), settings.single_scans_max)
    desk = Desk(
        database=database,
        places=Places(areas, city_key, tell),
        tracing=_tracing(settings),
        registry=registry,
        board=board,
        attempts=AttemptReader(city_key),
        scan_path=scan_path,
        admission=admission,
        policies=policies,
        publication=publication,
        policy_jwks={**policy_jwks, "keys": [*policy_jwks["keys"], bundle_signer.public_jwk()]},
        bundle_signer=bundle_signer,
        signed_lists=SignedLists(codes, board, utc_now),
        status_list_uri=settings.status_list_uri,
        city=areas.root,
        city_key=city_key,
        zone=ZoneInfo(settings.city_timezone),
        keeping=_keeping(settings),
        clock=utc_now,
        areas=areas,
        sealer=sealer,
        clinics=setting_files.clinics(settings),
        registering=Registering(sealer, tell),
        measuring=_measuring(settings),
        shifts=Shifts(sealer),
        venues=Venues(tell, ZoneInfo(settings.city_timezone)),
        key_ring=key_ring,
    )
    beside: dict[str, Loop] = {
        "board": BoardFeed(
            board,
            codes=codes,
            event_log=event_log,
            topic=messages.STANDINGS_TOPIC,
            snapshot=_snapshot(database),
            decode=messages.standing_of_record,
            clock=utc_now,
            fresh=fresh,
        ).run,
        "keys": KeysFeed(key_ring, codes=codes, database=database, clock=utc_now).run,
        "registry": every(REGISTRY_REFRESH_S, registry.refresh, name="registry"),
        "policies": every(POLICY_REFRESH_S, policies.refresh, name="policies"),
    }

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        make_first_partitions(settings.database_url, utc_now)
        registry.refresh()
        with _running(beside) as stop:
            await scan_log.start()
            yield
            stop.set()
            await scan_log.close()
            await directory.close()
            await masks.close()
        codes.close()
        event_log.close()
        taken_database.close()
        database.close()

    checks = {
        "database": lambda: Readiness(database.is_ready()),
        "board": board_check(board),
        "keys": lambda: Readiness(key_ring.has_keys()),
    }
    measure_board(board)
    _gauge("scans_waiting", "scans that wait for a commit", scan_log.waiting)
    app = build(settings, desk, checks=checks, lifespan=lifespan)
    checkpoints = BoundCheckpoints(registry, directory)
    parts = ScanParts(scan_path, desk.attempts, checkpoints, policies, masks, admission, utc_now)
    times = AnswerTimes()
    queue = StandingQueue(target_s=settings.scan_wait_target_ms / 1000, wait_s_max=settings.scan_wait_ms_max / 1000)
    singles = SingleScans(parts, times, queue, waiting_max=settings.scans_waiting_max)
    scan_routes = _scan_routes(settings, app, parts, singles, times)
    _gauge("scan_room", "single scans that may be under way at once", lambda: admission.singles_max)
    _gauge("scans_unread", "single scans that wait to be read", singles.waiting)
    _gauge("scans_under_way", "single scans that have no answer yet", scan_routes.under_way)
    return Api(app, scan_routes, board, key_ring)


def _scan_routes(
    settings: CheckpointsSettings, app: FastAPI, parts: ScanParts, singles: SingleScans, times: AnswerTimes
) -> ScanRoutes:
    """The two routes of the scan path, in front of the application."""
    return ScanRoutes(
        app,
        singles=singles,
        batches=BatchScans(parts, times),
        token_reader=app.state.token_reader,
        admission=parts.admission,
        times=times,
        body_bytes_max=settings.body_bytes_max,
        held=app.state.held_bodies,
    )


@contextmanager
def _running(loops: Mapping[str, Loop]) -> Iterator[threading.Event]:
    """Each loop in a thread of its own, begun again when it fails, until the event is set, or here at the latest."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_again_and_again(loop, name), args=(stop,), name=name, daemon=True)
        for name, loop in loops.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=2)


@dataclass(frozen=True, slots=True)
class Worker:
    """The worker process: its loops, and the parts that a test may turn by hand."""

    loops: dict[str, Loop]
    relay: Relay
    consumer: Consumer
    holders: Holders
    database: Database


def compose_worker(
    settings: CheckpointsSettings, *, codes: CodesClient | None = None, event_log: EventLog | None = None
) -> Worker:
    """Raises `SettingsError` when a file that the settings name cannot be used."""
    database = Database(settings.database_url, connections_max=settings.database_connections_max)
    codes = codes or CodesClient(settings.codes_url, settings.service_token_file, trust=trust_of(settings))
    event_log = event_log or open_event_log(settings, client_id="checkpoints-worker")
    holders = Holders(database, codes, board=Board(settings.board_stale_s), tell=tell, clock=utc_now)
    retention = Retention(database, history_days=settings.history_days, tell=tell, clock=utc_now)
    duty = Duty(
        database,
        Places(setting_files.areas(settings), read_hex_key(settings.city_key_file, "CITY_KEY_FILE"), tell),
        _measuring(settings),
        Venues(tell, ZoneInfo(settings.city_timezone)),
        reading_days=settings.reading_days,
        clock=utc_now,
    )
    relay = Relay(settings.database_url, event_log, source=messages.SOURCE, topics=messages.TOPICS, pace_s=RELAY_PACE_S)
    consumer = Consumer(
        database,
        event_log,
        group="checkpoints",
        subscriptions=_subscriptions(settings, holders),
        attempts_max=settings.handler_attempts_max,
        pace_s=CONSUMER_PACE_S,
        paced_from=PACED_FROM,
    )

    def consume(stop: threading.Event) -> None:
        holders.load_snapshot()
        consumer.run(stop)
        holders.keep_snapshot()

    loops: dict[str, Loop] = {
        "topics": declaring(event_log, messages.declared(_keeping(settings))),
        "relay": relay.run,
        "consumer": consume,
        "forgetting": forgetting(database, event_log, history=timedelta(days=settings.history_days)),
        "snapshot": every(SNAPSHOT_S, holders.keep_snapshot, name="snapshot"),
        "catch-up": every(CATCH_UP_S, holders.catch_up, name="catch-up"),
        "persons": every(FILL_S, holders.fill_persons, name="persons"),
        "retention": every(RETENTION_S, retention.run_once, name="retention", first_s=5.0),
        "life": every(LIFE_S, duty.show_due, name="life"),
        "duty": every(DUTY_S, duty.look_round, name="duty"),
        "drift": every(DRIFT_S, duty.watch_drift, name="drift"),
        "used passes": every(EMPTY_S, duty.empty_used_passes, name="used passes"),
        "readings": every(RETENTION_S, duty.forget_readings, name="readings"),
    }
    return Worker(loops, relay, consumer, holders, database)


def api() -> int:
    settings = _settings("checkpoints-api")
    composed = compose_api(settings)
    return serve(composed.scan_routes, settings)


def worker() -> int:
    settings = _settings("checkpoints-worker")
    composed = compose_worker(settings)
    make_first_partitions(settings.database_url, utc_now)
    checks = {
        "relay": relay_check(composed.relay, composed.database),
        "consumer": consumer_check(composed.consumer),
    }
    return run_worker("checkpoints worker", settings, loops=composed.loops, checks=checks)


def republish() -> int:
    """Tell once more every registered checkpoint, and of the last days the arrivals and the ledger's contacts."""
    settings = _settings("checkpoints-republish")
    database = Database(settings.database_url)
    with database.transaction() as tx:
        registered = lives.all_holding_at(tx, utc_now())
        tell(tx, [CheckpointRegistered(checkpoint) for checkpoint in registered])
        told = len(registered) + tell_arrivals_again(tx, tell, utc_now())
    tracing = _tracing(settings)
    with database.transaction() as tx:
        answered = traces.told_to_ledger(tx)
    for trace_id in answered:
        with database.transaction() as tx:
            told += tracing.tell_again(tx, trace_id)
    database.close()
    print(json.dumps({"events": told}))
    return 0


def restored() -> int:
    """After a restore from backup, before `republish`: gates take policies again that are older than what they know."""
    settings = _settings("checkpoints-restored")
    with Database(settings.database_url).transaction() as tx:
        epoch = published_policies.raise_epoch(tx, utc_now())
    print(f"checkpoints: gates believe what is published now, whatever they know of before (epoch {epoch})")
    return 0


def replay_dead_letter(dead_letter_id: int) -> int:
    """1 when there is no such dead letter, or it was replayed before."""
    settings = _settings("checkpoints-replay")
    database = Database(settings.database_url)
    codes = CodesClient(settings.codes_url, settings.service_token_file, trust=trust_of(settings))
    holders = Holders(database, codes, board=Board(settings.board_stale_s), tell=tell, clock=utc_now)
    return 0 if replay(database, _subscriptions(settings, holders), dead_letter_id) else 1


def _subscriptions(settings: CheckpointsSettings, holders: Holders) -> Sequence[Subscription]:
    tracing = _tracing(settings)
    findings = Findings(tracing, ZoneInfo(settings.city_timezone), tell, utc_now)
    reuses = Reuses(setting_files.reuse_rule(settings), setting_files.positions(settings), tell, started_at=utc_now())
    venues = Venues(tell, ZoneInfo(settings.city_timezone))
    take_scans = one_after_the_other(
        findings.take_scans,
        of_the_last_days(reuses.take_scans, utc_now),
        of_the_last_days(OfflineDifferences(tell).take_scans, utc_now),
        lambda tx, scans: venues.take_scans(tx, scans, utc_now()),
    )
    return messages.subscriptions(
        on_standings=holders.take_changes,
        on_scans=take_scans,
        on_trace=tracing.request_trace,
        on_destination=registrations.add_destination,
    )


def _tracing(settings: CheckpointsSettings) -> Tracing:
    return Tracing(
        setting_files.tracing_rule(settings),
        tell,
        keeping=_keeping(settings),
        contacts_a_day_max=settings.trace_contacts_a_day_max,
    )


def _keeping(settings: CheckpointsSettings) -> Keeping:
    return Keeping(timedelta(days=settings.history_days))


def _gauge(name: str, description: str, read: Callable[[], float]) -> None:
    def observe(_options: CallbackOptions) -> list[Observation]:
        return [Observation(read())]

    meter.create_observable_gauge(name, callbacks=[observe], description=description)


def _again_and_again(loop: Loop, name: str) -> Loop:
    """What runs beside the scan path may fail, but never quietly and never for good: gates are waiting."""

    def run(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                loop(stop)
            except Exception as error:
                log.error("a loop failed and starts again", loop=name, error=type(error).__name__, exc_info=error)
                stop.wait(1.0)

    return run


def _policies(settings: CheckpointsSettings, database: Database, keys: Keys) -> PolicyShelf:
    """The shelf of what was published, the policy of the settings among it."""
    setting_files.shelve_policy(settings, database, keys)

    def read_published() -> list[tuple[str, str]]:
        with database.transaction() as tx:
            return [(each.version, each.token) for each in published_policies.read_all(tx)]

    shelf = PolicyShelf(read_published, keys, utc_now)
    shelf.refresh()
    return shelf


def _measuring(settings: CheckpointsSettings) -> Measuring:
    case_within = timedelta(minutes=settings.measurement_case_minutes)
    return Measuring(tell, ZoneInfo(settings.city_timezone), case_within=case_within)


def _changed_checkpoints(database: Database) -> Callable[..., Any]:
    def read(since: Any) -> Any:
        with database.transaction() as tx:
            return lives.changed_since(tx, since)

    return read


def _snapshot(database: Database) -> Callable[[], Iterator[tuple[int, int, bytes, Sequence[int]]]]:
    def read() -> Iterator[tuple[int, int, bytes, Sequence[int]]]:
        with database.transaction() as tx:
            yield from standings.read_lists(tx)

    return read


def _settings(process: str) -> CheckpointsSettings:
    settings = read_settings(CheckpointsSettings, os.environ)
    start_telemetry(process, log_level=settings.log_level, otlp_endpoint=settings.otlp_endpoint)
    return settings


def main(arguments: Sequence[str]) -> int:
    by_name = {"api": api, "worker": worker, "republish": republish, "restored": restored}
    return Commands(
        "checkpoints",
        by_name,
        replay_dead_letter,
        Path(__file__).parent / "migrations",
        worker_owns=["scan"],
        worker_empties=USED_PASS_TABLES,
        prepare=lambda url: make_first_partitions(url, utc_now),
    ).run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
