"""The load stack: the whole product as `guanka up` starts it, in a fresh home, in a known state, ended afterwards.

Two things are laid down before it starts, through the same doors that production uses: `SIGNING_KEYS_FILE` with keys
of the load's own, so that its clients can mint passes at the moment of sending (checkpoints learns the public keys
from codes, as always), and the people (population.py). The product is not changed for the load's sake.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg

from chassis.migrations import migrate
from guanka.home import ROOT, Home
from guanka.keys import TokenIssuer, make_keys
from guanka.postgres import EmbeddedPostgres
from guanka.stack import state_name
from loadtests.passes import make_signing_keys
from loadtests.population import Population, settle
from tests.running import Product

_KNOWN_S = 300.0


class LoadProduct(Product):
    """A product with settings of a shape's own."""

    def __init__(self, home: Path, *, events: str, settings: Mapping[str, str]) -> None:
        super().__init__(home, events=events)
        self._settings = dict(settings)

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | self._settings


@dataclass(frozen=True, slots=True)
class LoadStack:
    product: LoadProduct
    home: Home
    population: Population
    city_key: bytes

    def database(self, service: str) -> str:
        url: str = self.product.running["databases"][service]
        return url


@contextmanager
def load_stack(people: int, *, events: str, settings: Mapping[str, str], seed: int) -> Iterator[LoadStack]:
    """Ready, with every person known to every board; nothing is left of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="guanka-load-") as folder:
        home = Home(Path(folder) / "home")
        home.keys.mkdir(parents=True)
        (home.keys / "signing.json").write_text(make_signing_keys(datetime.now(UTC)))
        make_keys(home)
        city_key = bytes.fromhex((home.keys / "city.key").read_text().strip())
        population = _settled(home, city_key, people, seed, events)
        product = LoadProduct(home.path, events=events, settings=settings)
        product.start()
        try:
            stack = LoadStack(product, home, population, city_key)
            _await_known(stack)
            yield stack
        finally:
            left = [] if product.has_ended else product.stop()
        if left:
            raise RuntimeError(f"left running: {', '.join(process.name() for process in left)}")


def _settled(home: Home, city_key: bytes, people: int, seed: int, events: str) -> Population:
    """The people in codes' database, before anything else runs."""
    postgres = EmbeddedPostgres(home.path)
    postgres.prepare()
    postgres.start()
    try:
        codes = postgres.create_database(state_name("codes", events))
        migrate(codes, ROOT / "services" / "codes" / "migrations")
        return settle(codes, city_key, people, seed=seed)
    finally:
        postgres.stop()


def _await_known(stack: LoadStack) -> None:
    """Until checkpoints knows the holder of every entry, and its board every colour. Raises TimeoutError."""
    wanted, people = set(stack.population.lists), len(stack.population.idx)
    headers = {"Authorization": f"Bearer {TokenIssuer(stack.home).token('operator')}"}
    deadline = time.monotonic() + _KNOWN_S
    with httpx.Client(base_url=stack.product.address("checkpoints"), headers=headers) as client:
        while time.monotonic() < deadline:
            board = client.get("/v1/board").json()
            held = {int(each["list"]) for each in board["lists"] if int(each["revision"]) > 0}
            if board["complete"] and wanted <= held and _holders(stack.database("checkpoints")) == people:
                return
            time.sleep(0.2)
    raise TimeoutError(f"checkpoints did not learn of {people} people in {_KNOWN_S:.0f} s")


def _holders(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM holder").fetchone()
    return int(row[0]) if row else 0
