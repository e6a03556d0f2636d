"""A small town for tests of checkpoints: an issuer of tokens, a codes of our own, people with passes, and gates."""

from __future__ import annotations

import base64
import json
import threading
import time
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from chassis.event_log import EventLog, Record
from chassis.ids import uuid7
from guanka.keys import SERVICE_SCOPES
from services.checkpoints.codes_client import CodesUnavailable, StandingList, StatusList
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.main import Worker
from wire.codes.v1 import events_pb2 as codes_wire

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
        scope = {"scope": " ".join(SERVICE_SCOPES)} if role == "service" else {}
        body |= {"roles": [role], "area": area} | scope | claims
        return jwt.encode(body, self.key.private, algorithm="ES256", headers={"kid": self.key.kid})

    def headers(self, role: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(role, **claims)}"}


class PolicyOffice:
    """Whoever signs policies."""

    def __init__(self) -> None:
        self.key = Key("policy-1", "policy+jwt")

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.key.jwk()]}

    def sign(self, document: dict[str, Any], *, effective_from: datetime | None = None, **claims: Any) -> str:
        now = datetime.now(UTC)
        body = {
            "version": document["policy"],
            "policy": document,
            "iat": int(now.timestamp()),
            "effective_from": int((effective_from or now).timestamp()),
        }
        headers = {"kid": self.key.kid, "typ": "policy+jwt"}
        return jwt.encode(body | claims, self.key.private, algorithm="ES256", headers=headers)


POLICY_OFFICE = PolicyOffice()
SHIPPED_POLICY = json.loads((ROOT / "services" / "checkpoints" / "policies" / "default.json").read_text())


class FakeCodes:
    """codes as checkpoints sees it: lists of standings with their holders, and keys. Same names as the client's."""

    def __init__(self, size: int = 4096) -> None:
        self.size = size
        self.shown, self.printed = Key("shown-1", "pass+jwt"), Key("printed-1", "printed-pass+jwt")
        self.list_key = Key("list-1", "statuslist+jwt")
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
        return {"keys": [self.shown.jwk(), self.printed.jwk(), self.list_key.jwk()]}

    def status_list(self, number: int, etag: str | None) -> StatusList | None:
        self._answer(f"signed list {number}")
        current = f'"{self.revision[number]}"'
        return None if etag == current else StatusList(current, self.revision[number], self.signed_list(number))

    def signed_list(self, number: int, **claims: Any) -> str:
        packed = self.standing_list(number, has_persons=False).packed
        lst = base64.urlsafe_b64encode(zlib.compress(packed, 1)).rstrip(b"=").decode()
        now = int(time.time())
        body = {"sub": f"{STATUS_LIST_URI}/{number}", "iat": now, "exp": now + 7 * 86_400, "ttl": 60}
        body |= {"status_list": {"bits": 2, "lst": lst}, **claims}
        headers = {"kid": self.list_key.kid, "typ": "statuslist+jwt"}
        return jwt.encode(body, self.list_key.private, algorithm="ES256", headers=headers)

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


class StandingsTopic:
    """codes' worker: tells on codes.standings.v1 what codes has changed."""

    def __init__(self, codes: FakeCodes, event_log: EventLog) -> None:
        self._codes, self._publisher = codes, event_log.publisher()

    def enrol(self, colour: int = GREEN, *, person_ref: UUID | None = None) -> tuple[UUID, int]:
        """A new person on list 1, told."""
        person, idx = self._codes.enrol(colour, person_ref=person_ref)
        self.tell(idx)
        return person, idx

    def recolour(self, idx: int, colour: int, *, is_told: bool = True) -> None:
        self._codes.colours[1][idx] = colour
        self._codes.revision[1] += 1
        if is_told:
            self.tell(idx)

    def tell(self, *idx: int) -> None:
        codes = self._codes
        change = codes_wire.StandingsChanged(
            list=1,
            revision=codes.revision[1],
            idx=idx,
            colours=bytes(codes.colours[1][each] for each in idx),
            person_refs=b"".join(codes.persons[1][each].bytes for each in idx),
        )
        self._publish("StandingsChanged", codes.revision[1], change.SerializeToString())

    def beat(self) -> None:
        beat = codes_wire.StandingsHeartbeat()
        beat.at.FromDatetime(datetime.now(UTC))
        for number, revision in self._codes.revision.items():
            beat.lists.add(list=number, revision=revision)
        self._publish("StandingsHeartbeat", 1, beat.SerializeToString())

    def _publish(self, name: str, revision: int, payload: bytes) -> None:
        record = envelope("codes.standings.v1", "1", f"guanka.codes.v1.{name}", "standings/1", revision, payload)
        assert self._publisher.publish([record]) == [True]


def envelope(topic: str, key: str, kind: str, subject: str, revision: int, payload: bytes) -> Record:
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid4()),
        "ce_type": kind,
        "ce_source": "/" + kind.split(".")[1],
        "ce_subject": subject,
        "ce_revision": str(revision),
        "ce_time": datetime.now(UTC).isoformat(),
    }
    return Record(topic, key, payload, tuple((name, value.encode()) for name, value in headers.items()))


LET_IN = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 1}


def scan(checkpoint_id: object, *, at: datetime | None = None, **members: Any) -> dict[str, Any]:
    """The body of a scan, its id made at the moment of the scan; one of before comes from a gate without a network."""
    now = datetime.now(UTC)
    at = at or now
    body = {"scan_id": str(uuid7(at)), "checkpoint_id": str(checkpoint_id), "scanned_at": at.isoformat()}
    return body | ({"offline": LET_IN} if now - at > timedelta(minutes=1) else {}) | members


def scan_fact(at: datetime, **more: Any) -> ScanFact:
    """A recorded scan as the worker reads it: somebody green who went into a mall."""
    told: dict[str, Any] = {
        "scan_id": uuid7(at),
        "checkpoint_id": uuid4(),
        "kind": "mall",
        "area": "440103001",
        "scanned_at": at,
        "recorded_at": at,
        "decision": "pass",
        "colour": "green",
        "refusal": "",
        "policy_version": "default@1",
        "board_revision": 1,
        "direction": "in",
        "temperature_c": None,
        "list": 1,
        "idx": 1,
        "person_ref": uuid4(),
        "vehicle_ref": None,
        "offline_decision": "",
        "is_self_reported": False,
        "revision": 1,
    }
    return ScanFact(**told | more)


@contextmanager
def turning(worker: Worker, *names: str) -> Iterator[None]:
    """Some of the worker's loops."""
    stop = threading.Event()
    threads = [threading.Thread(target=worker.loops[name], args=(stop,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join(timeout=10)


def ago(**parts: float) -> datetime:
    return datetime.now(UTC) - timedelta(**parts)
