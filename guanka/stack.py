"""The whole product on one machine: PostgreSQL, the event log, and per service an api and a worker."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from chassis.migrations import migrate
from chassis.settings import EventLogSettings
from guanka.home import REFERENCE, ROOT, Home, write_whole
from guanka.keys import AUDIENCE, ISSUER, OWN_SCOPES, TokenIssuer, make_keys
from guanka.ports import free_ports
from guanka.postgres import EmbeddedPostgres
from guanka.processes import Watch, Watched

if TYPE_CHECKING:
    from guanka.kafka_broker import Cluster

SERVICES = ("codes", "checkpoints", "ledger", "console")
"""In the order of their ports: console takes the base, the others follow."""
EVENT_LOG_VARIABLES = frozenset(name.upper() for name in EventLogSettings.model_fields) - {"EVENT_LOG_URL"}
PORT_OFFSETS = {"console": 0, "codes": 1, "checkpoints": 2, "ledger": 3}
STATUS_LIST_URI = "https://guanka.example/s"
_HOST = "127.0.0.1"
_READY_S = 90.0
_BEHIND = 10
"""The niceness of what no gate waits for: where all share a few cores, the pages catch up after a storm. The other
workers carry the news of a case to the gates: with them behind too, the last contact was stopped after 2.9 s, not 2."""

Say = Callable[[str], None]


class CannotStart(Exception):
    """The product cannot start here; the message says what is in the way and what to do."""


def _event_log_security() -> dict[str, str]:
    """How an existing cluster and the services know each other: as it is given to `guanka up`."""
    return {name: value for name, value in os.environ.items() if name in EVENT_LOG_VARIABLES}


class Stack:
    """`events` is `local` or `kafka`; `port_base` the console's port."""

    def __init__(self, home: Home, *, port_base: int, events: str, brokers: int, say: Say) -> None:
        self.home, self.port_base, self.events, self._brokers, self.say = home, port_base, events, brokers, say
        self._postgres = EmbeddedPostgres(home.path)
        self._bootstrap = ""
        self._databases: dict[str, str] = {}
        self._brokers_watch: Watch | None = None
        self._watch: Watch | None = None
        self._is_ready = False
        self._ready_at = ""

    # -- start -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring everything up; when it returns all is ready and `run.json` is written. Raises `CannotStart`."""
        check_ports(self.port_base)
        self.home.logs.mkdir(parents=True, exist_ok=True)
        end_leftovers(self.home, self.say)
        make_keys(self.home)
        self._write_service_tokens()
        with ThreadPoolExecutor(1) as beside:
            preparing = beside.submit(self._prepare_cluster)
            self._start_postgres()
            cluster = preparing.result()
        if cluster is not None:
            self._start_brokers(cluster)
        self.say("bringing the databases to this version's tables")
        self._migrate()
        if cluster is not None:
            self._await_brokers(cluster)
        self._watch = Watch(self._service_processes(), say=self.say, changed=self._write_run_file)
        for watched in self._watch.processes:
            watched.start()
        self.say(f"starting {len(self._watch.processes)} processes: an api and a worker for each service")
        self._wait_ready()
        self._seed()
        self._is_ready, self._ready_at = True, datetime.now(UTC).isoformat()
        self._write_run_file()

    def _start_postgres(self) -> None:
        self.say("starting PostgreSQL (a first start makes its files)")
        self._postgres.prepare()
        self._postgres.start()
        for name in (*SERVICES, *(["eventlog"] if self.events == "local" else [])):
            self._databases[name] = self._postgres.create_database(state_name(name, self.events))

    def _migrate(self) -> None:
        for service in SERVICES:
            migrate(self._databases[service], ROOT / "services" / service / "migrations")

    def _prepare_cluster(self) -> Cluster | None:
        """Kafka's jars and formatted data; None where no broker of ours is needed."""
        self._bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "") if self.events == "kafka" else ""
        if self.events != "kafka" or self._bootstrap:
            return None
        from guanka.kafka_broker import Cluster, KafkaNotStarted

        cluster = Cluster(self.home.path / "kafka", brokers=self._brokers)
        try:
            cluster.prepare()
        except KafkaNotStarted as error:
            raise CannotStart(str(error)) from error
        self._bootstrap = cluster.bootstrap
        return cluster

    def _start_brokers(self, cluster: Cluster) -> None:
        self._brokers_watch = Watch(
            [self._broker(cluster.command(n), n, port) for n, port in enumerate(_ports(cluster.bootstrap), start=1)],
            say=self.say,
            changed=self._write_run_file,
        )
        for watched in self._brokers_watch.processes:
            watched.start()

    @staticmethod
    def _await_brokers(cluster: Cluster) -> None:
        from guanka.kafka_broker import KafkaNotStarted

        try:
            cluster.wait_ready()
        except KafkaNotStarted as error:
            raise CannotStart(str(error)) from error

    def _broker(self, command: list[str], n: int, port: int) -> Watched:
        return Watched(f"kafka-{n}", command, {}, self.home.logs / f"kafka-{n}.log", port)

    def _wait_ready(self) -> None:
        assert self._watch is not None
        waiting = {watched.name: watched for watched in self._watch.processes}
        deadline = time.monotonic() + _READY_S
        with httpx.Client(timeout=2) as client:
            while waiting:
                for name, watched in list(waiting.items()):
                    if watched.has_died():
                        raise CannotStart(
                            f"{name} ended at its start; its log {watched.log} ends:\n{_tail(watched.log)}"
                        )
                    if _is_ready(client, watched.port):
                        del waiting[name]
                if time.monotonic() > deadline:
                    raise CannotStart(f"not ready after {_READY_S:.0f} s: {', '.join(waiting)}; see {self.home.logs}")
                time.sleep(0.1)

    def _seed(self) -> None:
        """Guangzhou's checkpoints, at the first start."""
        from guanka.seed import seed_checkpoints

        marker = self.home.path / state_name("seeded", self.events)
        if not marker.exists():
            self.say("registering Guangzhou's checkpoints and sample venues")
            address = f"http://{_HOST}:{self.port_base + PORT_OFFSETS['checkpoints']}"
            count = seed_checkpoints(address, TokenIssuer(self.home).token("operator"), REFERENCE)
            marker.write_text(f"{count} checkpoints\n")

    # -- processes ---------------------------------------------------------------------------------------------------

    def _service_processes(self) -> list[Watched]:
        workers = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        processes = []
        for service in SERVICES:
            write_whole(self.home.path / f"{service}.env.json", json.dumps(self._environment(service)), mode=0o600)
            for kind, port in (("api", self.port_base + PORT_OFFSETS[service]), ("worker", workers[service])):
                environment = {**self._environment(service), "HTTP_PORT": str(port)}
                if service == "console":
                    environment["WORKERS_JSON"] = json.dumps(self._probes(workers))
                name = f"{service}-{kind}"
                command = [sys.executable, "-m", f"services.{service}.main", kind]
                niceness = _BEHIND if service == "console" else 0
                processes.append(
                    Watched(name, command, environment, self.home.logs / f"{name}.log", port, niceness=niceness)
                )
        return processes

    def _probes(self, workers: dict[str, int]) -> dict[str, str]:
        apis = {f"{s}-api": f"http://{_HOST}:{self.port_base + PORT_OFFSETS[s]}" for s in SERVICES}
        return apis | {f"{service}-worker": f"http://{_HOST}:{port}" for service, port in workers.items()}

    def _environment(self, service: str) -> dict[str, str]:
        keys = self.home.keys
        return {
            "PYTHONPATH": str(ROOT),
            "HTTP_PORT": "0",
            "DATABASE_URL": self._databases[service],
            "EVENT_LOG_URL": f"kafka:{self._bootstrap}" if self._bootstrap else f"local:{self._databases['eventlog']}",
            **_event_log_security(),
            "HTTP_HOST": _HOST,
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_JWKS": str(keys / "issuer.jwks.json"),
            "AREA_FILE": str(REFERENCE / "areas.csv"),
            "CITY_KEY_FILE": str(keys / "city.key"),
            "DATA_KEYS_FILE": str(keys / "data.json"),
            "SIGNING_KEYS_FILE": str(keys / "signing.json"),
            "POLICY_FILE": str(keys / "policy.jws"),
            "POLICY_KEYS_FILE": str(keys / "policy.jwks.json"),
            "POSITIONS_FILE": str(REFERENCE / "metro_stations.csv"),
            "STATUS_LIST_URI": STATUS_LIST_URI,
            "SERVICE_TOKEN_FILE": str(keys / f"{service}.token"),
            "CODES_URL": f"http://{_HOST}:{self.port_base + PORT_OFFSETS['codes']}",
        }

    def _write_service_tokens(self) -> None:
        issuer = TokenIssuer(self.home)
        for service in SERVICES:
            token = issuer.token(
                "service", subject=service, scopes=OWN_SCOPES.get(service, ()), life=timedelta(days=365)
            )
            write_whole(self.home.keys / f"{service}.token", token, mode=0o600)

    # -- while it runs -----------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Look once at everything; what died is started again."""
        now = time.monotonic()
        process = self._postgres.process
        if process is not None and process.poll() is not None:
            self.say("postgres died; it is started again")
            try:
                self._postgres.start()
            except RuntimeError as error:
                self.say(str(error))
            self._write_run_file()
        for watch in (self._brokers_watch, self._watch):
            if watch is not None:
                watch.turn(now)

    def stop(self) -> None:
        """End everything, the services first; `run.json` goes."""
        self.home.run_file.unlink(missing_ok=True)
        self._is_ready = False
        for watch in (self._watch, self._brokers_watch):
            if watch is not None:
                watch.stop()
        self._postgres.stop()

    def tokens(self) -> dict[str, str]:
        issuer = TokenIssuer(self.home)
        return {role: issuer.token(role) for role in ("operator", "authority")}

    def _write_run_file(self) -> None:
        if not self._is_ready:
            return
        assert self._watch is not None
        assert self._postgres.process is not None
        processes: dict[str, dict[str, int]] = {"postgres": {"pid": self._postgres.process.pid}}
        brokers = self._brokers_watch.processes if self._brokers_watch else []
        for watched in (*brokers, *self._watch.processes):
            processes[watched.name] = {"pid": watched.pid} | ({"port": watched.port} if watched.port else {})
        document = {
            "ready_at": self._ready_at,
            "port_base": self.port_base,
            "events": self.events,
            "processes": processes,
            "databases": self._databases,
        }
        if self._bootstrap:
            document["kafka_bootstrap"] = self._bootstrap
        write_whole(self.home.run_file, json.dumps(document, indent=2) + "\n")


def state_name(name: str, events: str) -> str:
    """Each event log has a state of its own in a home: positions in the one mean nothing in the other."""
    return name if events == "local" else f"{name}_{events}"


def check_ports(port_base: int) -> None:
    """Raises `CannotStart` that names the first port that is taken, and by whom."""
    for service, offset in PORT_OFFSETS.items():
        port = port_base + offset
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                raise CannotStart(
                    f"port {port} (for {service}) is taken by {_holder(port)}; free it, or choose others: "
                    f"make run PORT_BASE={port_base + 100}"
                ) from None


def end_leftovers(home: Home, say: Say) -> None:
    """End the processes of a run whose `guanka up` was killed, by the pids in its `run.json`."""
    try:
        document = json.loads(home.run_file.read_text())
    except (FileNotFoundError, ValueError):
        return
    for name, entry in document.get("processes", {}).items():
        try:
            process = psutil.Process(entry["pid"])
            words = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "services." in words or str(home.path) in words:
            say(f"ending {name} of an earlier run (process {entry['pid']})")
            process.kill()
    home.run_file.unlink(missing_ok=True)


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another program"


def _is_ready(client: httpx.Client, port: int | None) -> bool:
    try:
        return client.get(f"http://{_HOST}:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def _ports(bootstrap: str) -> list[int]:
    return [int(address.rpartition(":")[2]) for address in bootstrap.split(",")]


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
