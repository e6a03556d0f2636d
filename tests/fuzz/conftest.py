"""checkpoints as it is composed, behind a real server, for requests that mean no good."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from chassis.app import server
from services.checkpoints.main import Api
from services.checkpoints.settings import CheckpointsSettings
from tests.fuzz.passes import Keys, Mint
from tests.integration.checkpoints.conftest import codes, composed, event_log, issuer, settings, topic
from tests.integration.checkpoints.town import FakeCodes, Issuer, StandingsTopic, wait_for
from tests.serving import serving

__all__ = ["codes", "composed", "event_log", "issuer", "settings", "topic"]


_PEOPLE = 64


@dataclass
class Target:
    """A running api with some people, all green, and one gate; `headers` are the gate's."""

    http: httpx.Client
    headers: dict[str, str]
    checkpoint_id: str
    token: str
    codes: FakeCodes
    issuer: Issuer
    database_url: str

    @property
    def address(self) -> str:
        return str(self.http.base_url)

    @property
    def has_bundle(self) -> bool:
        return "/v1/bundle" in self.http.get("/openapi.json").json()["paths"]

    def shown(self) -> str:
        """A good pass, minted now."""
        return self.codes.mint(0)

    def mint_of_now(self, seed: int) -> Mint:
        """With the keys that the api knows, for the people that are green there."""
        codes = self.codes
        keys = Keys(codes.shown.private, codes.printed.private, codes.list_key.private)
        return Mint(random.Random(seed), keys=keys, now_s=int(time.time()), entries=sorted(codes.persons[1]))

    def scans(self) -> int:
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute("SELECT count(*) FROM scan").fetchone()
        return int(row[0]) if row else 0

    def post(self, path: str, body: bytes, headers: dict[str, Any] | None = None) -> httpx.Response:
        return self.http.post(path, content=body, headers=self.headers if headers is None else headers)


@pytest.fixture
def target(
    composed: Api, settings: CheckpointsSettings, codes: FakeCodes, topic: StandingsTopic, issuer: Issuer
) -> Iterator[Target]:
    for _ in range(_PEOPLE):
        topic.enrol()
    with (
        serving(server(composed.scan_routes, host="127.0.0.1", port=0)) as (host, port),
        httpx.Client(base_url=f"http://{host}:{port}", timeout=60) as http,
    ):
        wait_for(lambda: composed.board.is_complete and composed.key_ring.has_keys(), deadline_s=60)
        body = {"kind": "metro", "name": "A gate", "venue": "Somewhere", "area": "440103001"}
        answer = http.post("/v1/checkpoints", json=body, headers=issuer.headers("operator"))
        assert answer.status_code == 201, answer.text
        checkpoint_id = answer.json()["checkpoint_id"]
        headers = issuer.headers("gate", checkpoints=[checkpoint_id])
        token = headers["Authorization"]
        yield Target(http, headers, checkpoint_id, token, codes, issuer, settings.database_url)
