"""A program of somebody else: it knows the product by `run.json` and the words of the HTTP contract only."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx

from chassis.ids import uuid7
from guanka.home import Home
from guanka.keys import TokenIssuer
from tests.running import Product

PROBLEM = "application/problem+json"
COMMUNITY, DISTRICT, OTHER_DISTRICT = "440103001101", "440103", "440104"
WITHIN_S = 15.0

Json = dict[str, Any]
Found = TypeVar("Found")


class Outsider:
    """Every answer it gets is held to the contract: never a 5xx, and an error is a problem document with a code."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self._issuer = TokenIssuer(Home(product.home))
        self._http = httpx.Client(timeout=30)

    def token(self, role: str, **bound: Any) -> str:
        """As `guanka token` prints it, without starting that program each time."""
        return self._issuer.token(role, **bound)

    def call(self, service: str, method: str, path: str, token: str | None = None, **sent: Any) -> httpx.Response:
        headers = dict(sent.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        answer = self._http.request(method, self.product.address(service) + path, headers=headers, **sent)
        assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        if answer.status_code >= 400:
            problem = answer.json()
            assert answer.headers["content-type"].startswith(PROBLEM), answer.headers["content-type"]
            assert problem["status"] == answer.status_code
            assert problem["code"]
        return answer

    def get(self, service: str, path: str, token: str | None = None, **sent: Any) -> httpx.Response:
        return self.call(service, "GET", path, token, **sent)

    def post(
        self, service: str, path: str, token: str | None = None, body: object = None, **sent: Any
    ) -> httpx.Response:
        if body is not None:
            sent["json"] = body
        return self.call(service, "POST", path, token, **sent)

    # -- people and passes -------------------------------------------------------------------------------------------

    def enrol(self, area: str | None = COMMUNITY, document: Json | None = None) -> str:
        body: Json = {"document": document or new_document(), "name": "王示例"}
        if area is not None:
            body["residence"] = {"area": area}
        answer = self.post("codes", "/v1/people", self.token("operator"), body)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["person_ref"])

    def declare(self, person_ref: str, **told: Any) -> Json:
        body = {"symptoms": [], "stays": [], "contact_with_case": False} | told
        answer = self.post("codes", f"/v1/people/{person_ref}/declarations", self.token("operator"), body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def healthy(self, area: str | None = COMMUNITY) -> str:
        """Somebody enrolled and green, whom every gate knows already."""
        person_ref = self.enrol(area)
        assert self.declare(person_ref)["code"]["colour"] == "green"
        return person_ref

    def pass_of(self, person_ref: str, kind: str = "shown") -> str:
        citizen = self.token("citizen", person=person_ref)
        answer = self.post("codes", f"/v1/people/{person_ref}/passes", citizen, {"kind": kind})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def code_of(self, person_ref: str) -> Json:
        return dict(self.get("codes", f"/v1/people/{person_ref}/code", self.token("authority")).json())

    def evidence(self, **about: Any) -> httpx.Response:
        return self.post("codes", "/v1/evidence", self.token("authority"), new_evidence(**about))

    # -- gates -------------------------------------------------------------------------------------------------------

    def checkpoint(self, kind: str = "mall", area: str = "440103001") -> str:
        body = {"kind": kind, "name": "示例入口", "venue": "示例场所", "area": area}
        answer = self.post("checkpoints", "/v1/checkpoints", self.token("operator"), body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["checkpoint_id"])

    def gate(self, checkpoint_id: str) -> str:
        return self.token("gate", checkpoints=[checkpoint_id])

    def send(self, body: Json) -> httpx.Response:
        return self.post("checkpoints", "/v1/scans", self.gate(str(body["checkpoint_id"])), body)

    def scan(self, checkpoint_id: str, credential: Json, at: datetime | None = None, **more: Any) -> Json:
        answer = self.send(new_scan(checkpoint_id, credential, at, **more))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def scan_person(self, checkpoint_id: str, person_ref: str, **more: Any) -> Json:
        return self.scan(checkpoint_id, {"pass": self.pass_of(person_ref)}, **more)

    def scans_of(self, checkpoint_id: str) -> list[Json]:
        path = f"/v1/checkpoints/{checkpoint_id}/scans"
        return list(self.get("checkpoints", path, self.token("authority")).json()["scans"])

    # -- ledger ------------------------------------------------------------------------------------------------------

    def confirm(self, person_ref: str, area: str = COMMUNITY) -> Json:
        body = {
            "ledger": "confirmed",
            "person": {"person_ref": person_ref},
            "area": area,
            "facts": {"confirmed_at": written(now())},
        }
        answer = self.post("ledger", "/v1/entries", self.token("authority"), body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def move(self, entry: Json, move: str, **facts: Any) -> Json:
        body = {"move": move, "facts": facts, "expected_version": entry["version"]}
        answer = self.post("ledger", f"/v1/entries/{entry['entry_id']}/moves", self.token("authority"), body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def file_of(self, person_ref: str) -> Json | None:
        answer = self.get("ledger", f"/v1/people/{person_ref}/file", self.token("authority"))
        return dict(answer.json()) if answer.status_code == 200 else None

    def entries_of(self, person_ref: str, ledger: str) -> list[Json]:
        file = self.file_of(person_ref) or {"entries": []}
        return [entry for entry in file["entries"] if entry["ledger"] == ledger]

    def alarms_of(self, person_ref: str) -> list[Json]:
        file = self.file_of(person_ref) or {"timeline": []}
        return [told for told in file["timeline"] if told["what"] == "alarm"]


def now() -> datetime:
    return datetime.now(UTC)


def written(at: datetime) -> str:
    return at.isoformat()


def ago(**span: float) -> str:
    return written(now() - timedelta(**span))


def new_document() -> Json:
    return {"type": "passport", "country": "CN", "number": f"E{uuid.uuid4().int % 10**12:012d}"}


def new_evidence(**about: Any) -> Json:
    return {
        "evidence_id": str(uuid.uuid4()),
        "kind": "test_result",
        "facts": {"result": "negative"},
        "observed_at": ago(minutes=5),
        "source": "示例医院",
    } | about


def new_scan(checkpoint_id: str, credential: Json, at: datetime | None = None, **more: Any) -> Json:
    at = at or now()
    return {
        "scan_id": str(uuid7(at)),
        "checkpoint_id": checkpoint_id,
        "credential": credential,
        "scanned_at": written(at),
    } | more


def eventually(look: Callable[[], Found | None], within_s: float = WITHIN_S) -> Found:
    """What `look` finds, as soon as it is something."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found
