"""A small town for tests of checkpoints: an issuer of tokens, a codes of our own, people with passes, and gates."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from chassis.ids import uuid7
from services.checkpoints.codes_client import CodesUnavailable, StandingList

ROOT = Path(__file__).resolve().parents[3]
ISSUER = "https://issuer.test"
STATUS_LIST_URI = "https://guanka.example/s"
CITY_KEY = "0f" * 32
GREEN, RED, YELLOW, LAPSED = range(4)


def wait_for(condition: Callable[[], Any], *, deadline_s: float = 10.0) -> Any:
    """Ask until the answer is true; fail after the deadline."""
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return found


@dataclass
class Key:
    """A key that signs tokens or passes."""

    kid: str
    typ: str | None = None
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def jwk(self) -> dict[str, Any]:
        public = json.loads(ECAlgorithm.to_jwk(self.private.public_key()))
        return public | {"kid": self.kid, "alg": "ES256"} | ({"typ": self.typ} if self.typ else {})


class Issuer:
    """The issuer of bearer tokens."""

    def __init__(self) -> None:
        self.key = Key("issuer-1")

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.key.jwk()]}

    def token(
        self, role: str, *, area: str = "4401", sub: str | None = None, lives_s: int = 3600, **claims: Any
    ) -> str:
        now = int(time.time())
        body = {"iss": ISSUER, "aud": "guanka", "sub": sub or f"{role}-1", "iat": now, "exp": now + lives_s}
        body |= {"roles": [role], "area": area, **claims}
        return jwt.encode(body, self.key.private, algorithm="ES256", headers={"kid": self.key.kid})

    def headers(self, role: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(role, **claims)}"}


class FakeCodes:
    """codes as checkpoints sees it: lists of standings with their holders, and keys. Same names as the client's."""

    def __init__(self, size: int = 4096) -> None:
        self.size = size
        self.shown, self.printed = Key("shown-1", "pass+jwt"), Key("printed-1", "printed-pass+jwt")
        self.colours: dict[int, bytearray] = {1: bytearray([LAPSED] * size)}
        self.revision = {1: 0}
        self.persons: dict[int, dict[int, UUID]] = {1: {}}
        self.is_away = False
        self.asked: list[str] = []

    def enrol(self, colour: int = GREEN, *, person_ref: UUID | None = None, number: int = 1) -> tuple[UUID, int]:
        """(person, index), without telling anybody."""
        idx = len(self.persons[number]) * 7 % self.size
        person = person_ref or uuid4()
        self.persons[number][idx] = person
        self.colours[number][idx] = colour
        self.revision[number] += 1
        return person, idx

    def revisions(self) -> dict[int, int]:
        self._answer("revisions")
        return dict(self.revision)

    def standing_list(self, number: int, *, has_persons: bool) -> StandingList:
        self._answer(f"list {number}")
        colours = self.colours[number]
        packed = bytes(sum(colours[at + n] << 2 * n for n in range(4)) for at in range(0, len(colours), 4))
        held = self.persons[number]
        persons = b"".join(person.bytes for person in held.values()) if has_persons else b""
        return StandingList(number, self.revision[number], packed, array("I", held if has_persons else ()), persons)

    def jwks(self) -> dict[str, Any]:
        self._answer("jwks")
        return {"keys": [self.shown.jwk(), self.printed.jwk(), Key("list-1", "statuslist+jwt").jwk()]}

    def close(self) -> None: ...

    def _answer(self, what: str) -> None:
        self.asked.append(what)
        if self.is_away:
            raise CodesUnavailable("away")

    def mint(
        self,
        idx: int,
        *,
        at: datetime | None = None,
        number: int = 1,
        key: Key | None = None,
        life_s: int | None = None,
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        key = key or self.shown
        issued = int((at or datetime.now(UTC)).timestamp())
        life_s = life_s if life_s is not None else (60 if key.typ == "pass+jwt" else 180 * 86_400)
        body = {
            "iat": issued,
            "exp": issued + life_s,
            "status": {"status_list": {"idx": idx, "uri": f"{STATUS_LIST_URI}/{number}"}},
            **claims,
        }
        return jwt.encode(
            body, key.private, algorithm="ES256", headers={"kid": key.kid, "typ": key.typ, **(headers or {})}
        )


def scan(checkpoint_id: object, *, at: datetime | None = None, **members: Any) -> dict[str, Any]:
    """The body of a scan, its id made at the moment of the scan."""
    at = at or datetime.now(UTC)
    return {"scan_id": str(uuid7(at)), "checkpoint_id": str(checkpoint_id), "scanned_at": at.isoformat(), **members}


def ago(**parts: float) -> datetime:
    return datetime.now(UTC) - timedelta(**parts)
