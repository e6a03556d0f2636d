"""Where faults happen: a whole product with a broker of its own, people with passes, and gates that scan."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jwt
import psutil
import psycopg

from guanka.demo.city import Citizen, read_gates
from guanka.demo.riders import Riders
from guanka.home import REFERENCE, Home
from guanka.kafka_broker import Cluster
from guanka.keys import TokenIssuer
from guanka.stack import STATUS_LIST_URI
from loadtests.passes import Mint
from tests.faults.gates import Rush
from tests.faults.journal import PATIENCE_S, Journal, Verdict, ends_of, judge
from tests.running import Product, running_product

PEOPLE = 60
_COMMUNITY = "440103001101"
_SCANS_BEFORE, _SCANS_AFTER = 200, 200


@dataclass(frozen=True, slots=True)
class Extent:
    """How long things take: `append_timeout_s` is the product's setting, `request_timeout_s` what a gate waits."""

    append_timeout_s: float
    request_timeout_s: float
    publication_timeout_s: float
    away_scans: int

    @property
    def store_frozen_s(self) -> float:
        return 2 * max(self.append_timeout_s, self.request_timeout_s)

    @property
    def broker_frozen_s(self) -> float:
        return 2 * max(self.publication_timeout_s, self.request_timeout_s)


BRIEF = Extent(append_timeout_s=2, request_timeout_s=4, publication_timeout_s=4, away_scans=5_000)
"""For `make test`. What a relay does beyond its own 20 s is test_event_log_kafka.py's business there."""


@dataclass
class Scene:
    """`entries` are the people's (list, index); `figures` are what the faults measured besides."""

    extent: Extent
    product: Product
    broker: Cluster
    entries: list[tuple[int, int]]
    checkpoint_id: str
    token: str
    figures: dict[str, float] = field(default_factory=dict)

    def rush(self, rate: float) -> Rush:
        mint = Mint(Home(self.product.home).keys / "signing.json", STATUS_LIST_URI)
        return Rush(
            self.product.running["processes"]["checkpoints-api"]["port"],
            self.token,
            self.checkpoint_id,
            lambda person: mint.shown(*self.entries[person], time.time()).decode(),
            people=len(self.entries),
            rate=rate,
            timeout_s=self.extent.request_timeout_s,
        )

    def run(self, inflict: Callable[[Scene, Rush], None], *, rate: float) -> tuple[Verdict, Journal]:
        """Scans come, the fault is inflicted and over, scans are taken again; then everything is counted."""
        since = ends_of(self.product)
        rush = self.rush(rate)
        rush.start()
        try:
            rush.wait_for(_SCANS_BEFORE)
            inflict(self, rush)
            rush.wait_for(_SCANS_AFTER)
        finally:
            journal = rush.stop()
        return judge(self.product, journal, since, self.token), journal

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """In the database of checkpoints."""
        with psycopg.connect(self.product.running["databases"]["checkpoints"], autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def kill(self, name: str) -> None:
        """SIGKILL (PostgreSQL with all its processes); over when the supervisor has started it again."""
        pid = self.product.kill(name)
        self.wait_until(lambda: self.product.pid_of(name) != pid)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """No scan is appended meanwhile; those that come wait for it, and so do their requests."""
        with psycopg.connect(self.product.running["databases"]["checkpoints"]) as connection:
            connection.execute("LOCK TABLE ONLY scan IN SHARE MODE")
            yield

    def postgres(self) -> list[psutil.Process]:
        server = psutil.Process(self.product.pid_of("postgres"))
        return [server, *server.children(recursive=True)]

    def worker_memory_mb(self) -> float:
        return float(psutil.Process(self.product.pid_of("checkpoints-worker")).memory_info().rss / 2**20)

    def wait_until(self, condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)


@contextmanager
def scene_of(folder: Path, extent: Extent, extra: Mapping[str, str] = MappingProxyType({})) -> Iterator[Scene]:
    """The broker is not the supervisor's, so that it can be away; `extra` is environment of the product."""
    broker = Cluster(folder / "broker")
    broker.start()
    ours = {"SCAN_APPEND_TIMEOUT_S": str(extent.append_timeout_s), "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap}
    try:
        with running_product(events="kafka", extra={**ours, **extra}) as product:
            yield _scene(extent, product, broker)
    finally:
        broker.stop()


def _scene(extent: Extent, product: Product, broker: Cluster) -> Scene:
    home = Home(product.home)
    gate = read_gates(REFERENCE)[0][0]
    entries = asyncio.run(_enrol(home))
    token = TokenIssuer(home).token("gate", checkpoints=[gate.checkpoint_id])
    scene = Scene(extent, product, broker, entries, gate.checkpoint_id, token)
    scene.wait_until(lambda: _people_known(product) >= PEOPLE)
    return scene


async def _enrol(home: Home) -> list[tuple[int, int]]:
    """Where each person stands on the board, by a pass that codes mints; the rest are minted here, with codes' key."""
    async with Riders(home) as riders:

        async def one(n: int) -> tuple[int, int]:
            citizen = Citizen(f"FAULT{n:06d}", f"示例市民{n}", _COMMUNITY, 36.5, (), declares=True)
            person_ref = await riders.enrol(citizen)
            path, token = f"/v1/people/{person_ref}/passes", riders.token("operator")
            answer, _ = await riders.call("codes", "POST", path, token, {"kind": "printed"})
            claims = jwt.decode(str(answer["token"]), options={"verify_signature": False})
            status = claims["status"]["status_list"]
            return int(status["uri"].rpartition("/")[2]), int(status["idx"])

        return list(await asyncio.gather(*(one(n) for n in range(PEOPLE))))


def _people_known(product: Product) -> int:
    """Whose scans are told under their own key."""
    with psycopg.connect(product.running["databases"]["checkpoints"]) as connection:
        row = connection.execute("SELECT count(*) FROM holder").fetchone()
    return int(row[0]) if row else 0
