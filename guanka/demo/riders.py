"""The people of the demo: everything over HTTP, each request sent again until it is answered.

A request that got no answer, or 503, is repeated with the same identifiers, as a gate would: the product recognises it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

from chassis.ids import uuid7
from guanka.demo.city import Citizen, Gate
from guanka.home import Home
from guanka.keys import TokenIssuer

_PATIENCE_S = 90.0
_PAUSE_S = 0.25
_AGAIN = frozenset({429, 502, 503, 504})


class Refused(Exception):
    """The product answered with an error that repeating does not cure."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """One acknowledged scan; `latency_ms` of the answer that came, `sent_at` Unix seconds of the first attempt."""

    scan_id: str
    citizen: int
    gate: Gate
    decision: str
    colour: str
    refusal: str | None
    sent_at: float
    answered_at: float
    latency_ms: float


class Riders:
    """`async with Riders(home)`: one HTTP session to all services."""

    def __init__(self, home: Home) -> None:
        self._base = {service: home.address(service) for service in ("codes", "checkpoints", "ledger")}
        self._issuer = TokenIssuer(home)
        self._tokens: dict[str, str] = {}
        self.retried = 0

    async def __aenter__(self) -> Riders:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=20),
            json_serialize=lambda value: orjson.dumps(value).decode(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def token(self, role: str, **bound: Any) -> str:
        """A token, made once per role and binding."""
        name = f"{role}{sorted(bound.items())}"
        if name not in self._tokens:
            self._tokens[name] = self._issuer.token(role, **bound)
        return self._tokens[name]

    async def call(self, service: str, method: str, path: str, token: str, body: object = None) -> tuple[Any, float]:
        """The answer's JSON and its latency in ms. Raises `Refused` on an error that will not pass."""
        what = f"{method} {path.partition('?')[0]}"
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            started = time.perf_counter()
            try:
                async with self._session.request(
                    method, self._base[service] + path, json=body, headers={"Authorization": f"Bearer {token}"}
                ) as answer:
                    content = orjson.loads(await answer.read())
                    if answer.status < 300:
                        return content, (time.perf_counter() - started) * 1000
                    if answer.status not in _AGAIN:
                        raise Refused(f"{what}: {answer.status} {content.get('code')}: {content.get('detail')}")
            except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError):
                pass
            if time.monotonic() > deadline:
                raise Refused(f"{service} did not answer {what} for {_PATIENCE_S:.0f} s")
            self.retried += 1
            await asyncio.sleep(_PAUSE_S)

    # -- what people do ----------------------------------------------------------------------------------------------

    async def enrol(self, citizen: Citizen) -> str:
        """Register the person and declare; the person_ref."""
        operator = self.token("operator")
        body = {
            "document": {"type": "resident_id", "country": "CN", "number": citizen.number},
            "name": citizen.name,
            "residence": {"area": citizen.community},
        }
        answer, _ = await self.call("codes", "POST", "/v1/people", operator, body)
        person_ref = str(answer["person_ref"])
        if citizen.declares:
            declaration = {
                "temperature_c": citizen.temperature_c,
                "symptoms": list(citizen.symptoms),
                "stays": [],
                "contact_with_case": False,
            }
            await self.call("codes", "POST", f"/v1/people/{person_ref}/declarations", operator, declaration)
        return person_ref

    async def show_pass(self, person_ref: str) -> str:
        """A shown pass, minted now: it lets its holder in once."""
        return await self._mint(person_ref, "shown")

    async def print_pass(self, person_ref: str) -> str:
        return await self._mint(person_ref, "printed")

    async def _mint(self, person_ref: str, kind: str) -> str:
        token = self._issuer.token("citizen", person=person_ref, area="")
        answer, _ = await self.call("codes", "POST", f"/v1/people/{person_ref}/passes", token, {"kind": kind})
        return str(answer["token"])

    async def scan(self, citizen: int, shown: str, gate: Gate, temperature_c: float | None = None) -> Scanned:
        """Hold a pass to a gate's scanner."""
        now = datetime.now(UTC)
        body: dict[str, object] = {
            "scan_id": str(uuid7(now)),
            "checkpoint_id": gate.checkpoint_id,
            "credential": {"pass": shown},
            "direction": "in",
            "scanned_at": now.isoformat(),
        }
        if temperature_c is not None:
            body["temperature_c"] = temperature_c
        token = self.token("gate", checkpoints=[gate.checkpoint_id])
        answer, latency_ms = await self.call("checkpoints", "POST", "/v1/scans", token, body)
        return Scanned(
            scan_id=answer["scan_id"],
            citizen=citizen,
            gate=gate,
            decision=answer["decision"],
            colour=answer["colour"],
            refusal=answer["refusal"],
            sent_at=now.timestamp(),
            answered_at=time.time(),
            latency_ms=latency_ms,
        )

    async def confirm_case(self, person_ref: str, area: str) -> dict[str, Any]:
        """A hospital of its own reports a confirmed case; the entry.

        One reporter alone is told of so many contacts a day, and a demo may be repeated all day.
        """
        entry_id = str(uuid7())
        hospital = f"hospital-{entry_id[-8:]}"
        body = {
            "entry_id": entry_id,
            "ledger": "confirmed",
            "person": {"person_ref": person_ref},
            "area": area,
            "facts": {"confirmed_at": datetime.now(UTC).isoformat()},
        }
        answer, _ = await self.call("ledger", "POST", "/v1/entries", self.token("authority", subject=hospital), body)
        return dict(answer)

    async def board(self) -> dict[int, int]:
        """The revision of each list on the board."""
        answer, _ = await self.call("checkpoints", "GET", "/v1/board", self.token("operator"))
        return {int(each["list"]): int(each["revision"]) for each in answer["lists"]}
