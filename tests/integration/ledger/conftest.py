"""The ledger on a real PostgreSQL: its application, its worker's handlers, and tokens of the test's own issuer."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient
from jwt.algorithms import ECAlgorithm

from chassis.ids import uuid7
from chassis.inbox import handle_messages
from chassis.message import Message
from services.ledger import messages
from services.ledger.api import ledger_app
from services.ledger.api.parts import Parts
from services.ledger.main import compose
from services.ledger.settings import LedgerSettings
from wire.ledger.v1 import events_pb2 as words

ISSUER = "https://issuer.test"
CITY = "4401"
DISTRICT = "440106"
STREET = "440106001"
COMMUNITY = "440106001001"
OTHER_DISTRICT = "440103"
AREAS = f"""code,name,level,parent,name_en
{CITY},广州市,city,,Guangzhou
{DISTRICT},天河区,district,{CITY},Tianhe
{OTHER_DISTRICT},荔湾区,district,{CITY},Liwan
{STREET},五山街道,street,{DISTRICT},
{COMMUNITY},五山社区,community,{STREET},
440103001,沙面街道,street,{OTHER_DISTRICT},
"""


@dataclass
class Issuer:
    """Signs bearer tokens; its keys stand in a JWKS file."""

    jwks: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        public = json.loads(ECAlgorithm.to_jwk(self.key.public_key())) | {"kid": "test", "alg": "ES256"}
        self.jwks.write_text(json.dumps({"keys": [public]}))

    def token(self, *roles: str, area: str = CITY, expires_in_s: float = 600, **claims: Any) -> str:
        given = {"iss": ISSUER, "aud": "guanka", "sub": f"{roles[0]}-1", "exp": time.time() + expires_in_s}
        return jwt.encode(
            given | {"roles": list(roles), "area": area} | claims, self.key, algorithm="ES256", headers={"kid": "test"}
        )

    def bearer(self, *roles: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(*roles, **claims)}"}


@dataclass
class Ledger:
    """The service under test."""

    settings: LedgerSettings
    parts: Parts
    client: TestClient
    issuer: Issuer

    def post(self, path: str, body: object, *, role: str = "operator", bound_to: str = CITY) -> Any:
        return self.client.post(path, json=body, headers=self.issuer.bearer(role, area=bound_to))

    def get(self, path: str, *, role: str = "operator", bound_to: str = CITY, **query: Any) -> Any:
        return self.client.get(path, params=query, headers=self.issuer.bearer(role, area=bound_to))

    def open(self, ledger: str, person: UUID, *, area: str = COMMUNITY, **facts: Any) -> dict[str, Any]:
        body = {"ledger": ledger, "person": {"person_ref": str(person)}, "area": area, "facts": facts}
        answer = self.post("/v1/entries", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def rows(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            return connection.execute(statement.encode(), arguments).fetchall()

    def change(self, statement: str, *arguments: object) -> None:
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            connection.execute(statement.encode(), arguments)

    def told(self, name: str) -> list[tuple[dict[str, str], Any]]:
        """The events of one type in the outbox, in order: headers and message."""
        rows = self.rows("SELECT headers, payload FROM outbox WHERE type = %s ORDER BY seq", f"guanka.ledger.v1.{name}")
        return [(headers, getattr(words, name).FromString(payload)) for headers, payload in rows]

    def take(self, *taken: Message) -> None:
        """What the consumer does with messages of one topic, in one transaction."""
        subscriptions = messages.subscriptions(self.parts.city, self.parts.open_book, self.parts.clock)
        subscription = next(each for each in subscriptions if taken[0].type in each.handlers)
        with self.parts.database.transaction() as tx:
            handle_messages(tx, subscription, taken)


def message(payload: Any, *, key: str, subject: str, revision: int = 1, identifier: UUID | None = None) -> Message:
    """A message as the consumer would read it."""
    name = payload.DESCRIPTOR.full_name
    return Message(
        id=identifier or uuid7(),
        source="/" + name.split(".")[1],
        type=name,
        subject=subject,
        revision=revision,
        time="2020-02-11T08:00:00+00:00",
        district="",
        key=key,
        payload=payload.SerializeToString(),
        traceparent="",
    )


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "jwks.json")


@pytest.fixture
def ledger(tmp_path: Path, issuer: Issuer, migrated: Callable[[str], str]) -> Iterator[Ledger]:
    (tmp_path / "areas.csv").write_text(AREAS, encoding="utf-8")
    (tmp_path / "city.key").write_text("11" * 32)
    (tmp_path / "data.json").write_text(json.dumps({"current": "k1", "keys": {"k1": secrets.token_hex(32)}}))
    settings = LedgerSettings(
        database_url=migrated("ledger"),
        event_log_url="local:postgresql:///unused",
        http_port=0,
        auth_issuer=ISSUER,
        auth_jwks=str(issuer.jwks),
        area_file=tmp_path / "areas.csv",
        city_key_file=tmp_path / "city.key",
        data_keys_file=tmp_path / "data.json",
    )
    parts = compose(settings)
    with TestClient(ledger_app(settings, parts), raise_server_exceptions=False) as client:
        yield Ledger(settings, parts, client, issuer)
    parts.database.close()


@pytest.fixture
def person() -> UUID:
    return uuid4()


def kinds(timeline: Sequence[Mapping[str, Any]]) -> list[str]:
    return [each["what"] for each in timeline]
