"""What tests of codes do again and again: sign tokens, write keys, enrol, declare, ask."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi.testclient import TestClient
from jwt.algorithms import ECAlgorithm

from chassis.database import Database
from guanka.keys import SERVICE_SCOPES

ROOT = Path(__file__).resolve().parents[3]
CITY, DISTRICT, OTHER_DISTRICT = "4401", "440103", "440104"
ISSUER = "https://issuer.test"


class MovableClock:
    """The machine's time, moved by what the test says."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class Issuer:
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    def jwks(self) -> dict[str, Any]:
        return {"keys": [ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True) | {"kid": "test"}]}

    def headers(
        self, *roles: str, area: str = CITY, person: UUID | None = None, life_s: int = 600, sub: str | None = None
    ) -> dict[str, str]:
        claims: dict[str, Any] = {"iss": ISSUER, "aud": "guanka", "sub": sub or f"test-{roles[0]}"}
        claims["roles"] = list(roles)
        claims |= {"area": area, "exp": int(time.time()) + life_s}
        if "service" in roles:
            claims["scope"] = " ".join(SERVICE_SCOPES)
        if person:
            claims["person_ref"] = str(person)
        return {"Authorization": "Bearer " + jwt.encode(claims, self.key, "ES256", headers={"kid": "test"})}


def private_pem() -> str:
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def write_keys(folder: Path, issuer: Issuer) -> None:
    kinds = ("pass", "printed-pass", "status-list")
    signing = {
        kind: [{"kid": f"{kind[:2]}1", "private_key_pem": private_pem(), "not_before": "2020-01-01T00:00:00+00:00"}]
        for kind in kinds
    }
    (folder / "signing.json").write_text(json.dumps(signing))
    (folder / "data.json").write_text(json.dumps({"current": "d1", "keys": {"d1": secrets.token_hex(32)}}))
    (folder / "city.key").write_text("11" * 32)
    (folder / "issuer.json").write_text(json.dumps(issuer.jwks()))


@dataclass(frozen=True)
class City:
    """What tests do again and again, over HTTP."""

    client: TestClient
    issuer: Issuer

    def enrol(self, number: str | None = None, area: str = DISTRICT, **more: Any) -> UUID:
        body = {
            "document": {"type": "resident_id", "country": "CN", "number": number or secrets.token_hex(9)},
            "name": "陈小明",
            "residence": {"area": area},
        } | more
        answer = self.client.post("/v1/people", json=body, headers=self.issuer.headers("operator"))
        assert answer.status_code in (200, 201), answer.text
        return UUID(answer.json()["person_ref"])

    def declare(self, person: UUID, **said: Any) -> dict[str, Any]:
        body = {"symptoms": [], "stays": [], "contact_with_case": False} | said
        path = f"/v1/people/{person}/declarations"
        answer = self.client.post(path, json=body, headers=self.issuer.headers("citizen", person=person))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def code(self, person: UUID) -> dict[str, Any]:
        headers = self.issuer.headers("citizen", person=person)
        answer = self.client.get(f"/v1/people/{person}/code", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def evidence(self, *pieces: dict[str, Any]) -> Any:
        return self.client.post("/v1/evidence", json=list(pieces), headers=self.issuer.headers("authority"))


def piece(kind: str, **more: Any) -> dict[str, Any]:
    """One piece of evidence as a body."""
    now = datetime.now(UTC).isoformat()
    return {"evidence_id": str(uuid4()), "kind": kind, "facts": {}, "observed_at": now, "source": "test"} | more


def rows(database: Database, statement: str, **given: Any) -> list[Any]:
    with database.transaction() as tx:
        return list(tx.execute(sa.text(statement), given))
