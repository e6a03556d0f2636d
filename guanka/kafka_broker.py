"""Real Apache Kafka on this machine without Docker: jars from Maven, brokers as child processes on loopback.

For a developer's machine and the tests. Each broker is also a controller (KRaft); data, settings and logs lie under one
home directory, so a broker that was killed comes back with what it had.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from chassis.event_log import EventLogUnavailable
from chassis.event_log.kafka import connect
from guanka.ports import free_ports
from guanka.tether import Tether

_REPOSITORY = Path(__file__).resolve().parent.parent
_POM = _REPOSITORY / "deploy" / "kafka" / "pom.xml"
_LOGGING = _REPOSITORY / "deploy" / "kafka" / "log4j2.properties"
LIBS_DIR = _REPOSITORY / "build" / "kafka-libs"

_HOST = "127.0.0.1"
_TOOLS = {"java": "default-jre-headless", "mvn": "maven"}


class KafkaNotStarted(Exception):
    """Apache Kafka cannot run here; the message says what is missing and what to do."""


def fetch(libs_dir: Path = LIBS_DIR) -> Path:
    """The directory with Kafka's jars, about 45 MB; Maven brings them when they are not there yet."""
    _need("java")
    finished = libs_dir / ".finished"
    if finished.exists() and finished.read_bytes() == _POM.read_bytes():
        return libs_dir
    _need("mvn")
    shutil.rmtree(libs_dir, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={libs_dir}"]
    copying = subprocess.run(["mvn", "-q", "-B", "-f", str(_POM), *goal], capture_output=True, text=True, check=False)
    if copying.returncode != 0:
        raise KafkaNotStarted(f"Maven could not bring Kafka's jars to {libs_dir}:\n{copying.stdout[-2000:]}")
    finished.write_bytes(_POM.read_bytes())
    return libs_dir


def _need(tool: str) -> None:
    """Java runs the broker, Maven brings it. As root on Debian the missing one is installed."""
    if shutil.which(tool) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "install", "-y", _TOOLS[tool]], env=environment, capture_output=True, check=False)
    if shutil.which(tool) is None:
        raise KafkaNotStarted(
            f"the command {tool!r} is missing: install it (on Debian: apt-get install {_TOOLS[tool]}), then start again"
        )


@dataclass(frozen=True, slots=True)
class _Identity:
    cluster_id: str
    ports: list[int]
    controller_ports: list[int]


@dataclass(frozen=True, slots=True)
class Locked:
    """A cluster whose clients come by TLS and may do what its ACLs say: by SASL/SCRAM at `ports`, by certificate at
    `certificate_ports`. `keystore` (key and certificate) and `authority` are PEM files; `administrator` is the common
    name of the certificate in `keystore`, and `client` are kafka-python's options with which it comes."""

    keystore: Path
    authority: Path
    certificate_ports: Sequence[int]
    administrator: str
    client: Mapping[str, Any]


class Cluster:
    """One broker, or three that replicate to each other; numbered from 1.

    `ports` are those of the clients, one a broker; free ones are chosen when none are given, and kept under `home` for
    the next start. A supervisor that runs the brokers itself calls `prepare`, runs `command(n)`, calls `wait_ready`.
    """

    def __init__(
        self,
        home: Path,
        *,
        brokers: int = 1,
        ports: Sequence[int] = (),
        libs_dir: Path = LIBS_DIR,
        locked: Locked | None = None,
    ) -> None:
        if brokers not in (1, 3) or len(ports) not in (0, brokers):
            raise ValueError("a cluster has one broker or three, and as many ports or none")
        self.home = home.resolve()
        self._brokers = range(1, brokers + 1)
        self._given_ports = list(ports)
        self._locked = locked
        self._libs_dir = libs_dir.resolve()
        self._ports: list[int] = []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._tethers: dict[int, Tether] = {}

    @property
    def bootstrap(self) -> str:
        """`HOST:PORT[,…]`; known once the cluster is prepared."""
        return ",".join(f"{_HOST}:{port}" for port in self._ports)

    @property
    def pids(self) -> dict[int, int]:
        """Process ids of the running brokers that this object started."""
        return {n: process.pid for n, process in self._processes.items() if process.poll() is None}

    def start(self) -> str:
        """Start all brokers, wait until they serve, and answer the bootstrap address."""
        self.prepare()
        try:
            for n in self._brokers:
                self.start_broker(n)
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self.bootstrap

    def prepare(self) -> None:
        """Bring the jars, choose ports, write the settings, and format what has never been formatted."""
        fetch(self._libs_dir)
        self.home.mkdir(parents=True, exist_ok=True)
        identity = self._identity()
        self._ports = identity.ports
        for n in self._brokers:
            self._end_orphan(n)
            self._properties(n).write_text(_as_properties(self._settings(n, identity.controller_ports)))
            if not (self._data(n) / "meta.properties").exists():
                self._format(n, identity.cluster_id)

    def command(self, n: int) -> list[str]:
        """What runs broker `n` in the foreground, logging to standard output."""
        return [
            "java",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={_LOGGING}",
            "-cp",
            f"{self._libs_dir}/*",
            "kafka.Kafka",
            str(self._properties(n)),
        ]

    def start_broker(self, n: int) -> int:
        """Start one broker, again if it ended, with its data kept; answers its process id."""
        running = self.pids.get(n)
        if running is not None:
            return running
        with (self.home / f"broker-{n}.log").open("ab") as output:
            self._processes[n] = subprocess.Popen(
                self.command(n),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the supervisor, which then stops the brokers in order
            )
        if n in self._tethers:
            self._tethers[n].cut()
        self._tethers[n] = Tether(self._processes[n].pid)
        return self._processes[n].pid

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until every broker has registered and serves clients."""
        deadline = time.monotonic() + timeout_s
        while not self._is_ready():
            ended = [n for n, process in self._processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                n = ended[0] if ended else self._brokers[0]
                raise KafkaNotStarted(f"broker {n} is not ready, see {self.home / f'broker-{n}.log'}\n{self._tail(n)}")
            time.sleep(0.1)

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL to those that have not ended ten seconds later."""
        for n, pid in self.pids.items():
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)
            self._processes[n].poll()
        deadline = time.monotonic() + 10.0
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for tether in self._tethers.values():
            tether.cut()
        self._processes.clear()
        self._tethers.clear()

    def _is_ready(self) -> bool:
        if not all(_listens(port) for port in self._ports):
            return False
        try:
            with connect(KafkaAdminClient, client_id="ready", **self._administrator()) as admin:
                brokers = admin.describe_cluster()["brokers"]
        except (EventLogUnavailable, KafkaError):
            return False
        return len([broker for broker in brokers if not broker["is_fenced"]]) == len(self._brokers)

    def _administrator(self) -> dict[str, Any]:
        """kafka-python's options for whoever may do everything."""
        if self._locked is None:
            return {"bootstrap_servers": self.bootstrap.split(",")}
        servers = [f"{_HOST}:{port}" for port in self._locked.certificate_ports]
        return {"bootstrap_servers": servers, **self._locked.client}

    def _identity(self) -> _Identity:
        """Written once: a cluster whose id or controllers changed would not take its own data back."""
        file = self.home / "cluster.json"
        if file.exists():
            identity = _Identity(**json.loads(file.read_text()))
        else:
            chosen = free_ports(2 * len(self._brokers))
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
            identity = _Identity(cluster_id, chosen[::2], chosen[1::2])
        identity = replace(identity, ports=self._given_ports or identity.ports)
        if len(identity.ports) != len(self._brokers):
            raise KafkaNotStarted(f"{self.home} holds a cluster of {len(identity.ports)} brokers: give another home")
        file.write_text(json.dumps(asdict(identity)))
        return identity

    def _settings(self, n: int, controller_ports: Sequence[int]) -> dict[str, object]:
        copies = len(self._brokers)
        return self._settings_of_locks(n, controller_ports) | {
            "process.roles": "broker,controller",
            "node.id": n,
            "controller.quorum.voters": ",".join(f"{m}@{_HOST}:{controller_ports[m - 1]}" for m in self._brokers),
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self._data(n),
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": min(2, copies),
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": min(2, copies),
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": min(2, copies),
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 4000,  # a killed broker is let in again when its old session is over
            "broker.heartbeat.interval.ms": 500,
            "log.cleaner.dedupe.buffer.size": 8 << 20,  # 128 MB of heap by default
            "num.network.threads": 2,
            "num.io.threads": 4,
        }

    def _settings_of_locks(self, n: int, controller_ports: Sequence[int]) -> dict[str, object]:
        """Who is let in where. The controllers speak to each other on this machine, as nobody in particular."""
        controller = f"CONTROLLER://{_HOST}:{controller_ports[n - 1]}"
        if self._locked is None:
            return {
                "listeners": f"PLAINTEXT://{_HOST}:{self._ports[n - 1]},{controller}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            }
        by_certificate = f"CERTIFICATE://{_HOST}:{self._locked.certificate_ports[n - 1]}"
        return {
            "listeners": f"PASSWORD://{_HOST}:{self._ports[n - 1]},{by_certificate},{controller}",
            "listener.security.protocol.map": "PASSWORD:SASL_SSL,CERTIFICATE:SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CERTIFICATE",
            "listener.name.certificate.ssl.client.auth": "required",
            "listener.name.password.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.password.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._locked.keystore,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._locked.authority,
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:{self._locked.administrator};User:ANONYMOUS",
        }

    def _format(self, n: int, cluster_id: str) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties(n))]
        java = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self._libs_dir}/*"]
        formatting = subprocess.run([*java, *tool], capture_output=True, text=True, check=False)
        if formatting.returncode != 0:
            raise KafkaNotStarted(f"the data directory of broker {n} could not be formatted:\n{formatting.stderr}")

    def _end_orphan(self, n: int) -> None:
        """A broker whose starter was killed still holds the ports and the data; one that has a parent is not ours."""
        for process in psutil.process_iter(["cmdline", "ppid"]):
            if str(self._properties(n)) not in (process.info["cmdline"] or ()):
                continue
            if process.info["ppid"] != 1:
                raise KafkaNotStarted(f"broker {n} of {self.home} is running already, as process {process.pid}")
            process.kill()
            process.wait(10)

    def _properties(self, n: int) -> Path:
        return self.home / f"broker-{n}.properties"

    def _data(self, n: int) -> Path:
        return self.home / f"broker-{n}"

    def _tail(self, n: int) -> str:
        file = self.home / f"broker-{n}.log"
        return "\n".join(file.read_text(errors="replace").splitlines()[-15:]) if file.exists() else ""


def _as_properties(settings: Mapping[str, object]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _listens(port: int) -> bool:
    try:
        socket.create_connection((_HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True
