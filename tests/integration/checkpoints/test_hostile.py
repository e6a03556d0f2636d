"""Nothing that is sent to checkpoints holds its event loop for long, and no list that it takes does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi.testclient import TestClient

from chassis.ids import uuid7
from services.checkpoints.main import Api
from tests.integration.chassis.test_doors import REFUSED, TOO_LARGE
from tests.integration.checkpoints.town import FakeCodes, Issuer, StandingsTopic, wait_for
from tests.loop_watch import attack, watched

ROLES = ["gate", "operator", "authority", "citizen", "device", "service", "approver"]


def test_no_callback_takes_long_whatever_is_sent(composed: Api, issuer: Issuer) -> None:
    heads = [*TOO_LARGE.values(), *(raw for _, raw in REFUSED.values())]
    with watched(composed.scan_routes) as (http, watch):
        attack(http, watch, issuer.headers("gate", roles=ROLES), heads)


def test_no_parameter_brings_a_nul_to_the_database(client: TestClient, issuer: Issuer) -> None:
    headers = issuer.headers("gate", roles=ROLES, person_ref=str(uuid7()), scope="board figures places devices traces")
    asked = set[str]()
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            name, place = parameter["name"], parameter["in"]
            if place not in ("path", "query"):
                continue
            asked.add(name)
            url = re.sub("{.*?}", "440103%00" if place == "path" else str(uuid7()), path)
            answer = client.get(url, params={name: "440103\0"} if place == "query" else {}, headers=headers)
            assert 400 <= answer.status_code < 500, (path, name, answer.text)
    assert {"area", "cursor", "venue", "device_id", "version"} <= asked


def test_a_batch_of_1000_scans_is_taken_in_turns(
    composed: Api, issuer: Issuer, topic: StandingsTopic, codes: FakeCodes
) -> None:
    """By pass, by card, of people nobody knows, and of no form at all."""
    for _ in range(8):
        topic.enrol()
    with watched(composed.scan_routes) as (http, watch):
        wait_for(lambda: composed.board.is_complete and composed.key_ring.has_keys(), deadline_s=60)
        gate, headers = _gate(http, issuer)
        for credential in (
            lambda _: {"pass": codes.mint(0)},
            lambda n: {"document": {"type": "passport", "country": "RU", "number": f"{n:08}"}},
            lambda n: {"plate": f"粤A{n:05}"},
            lambda _: {},
        ):

            def send(credential: Callable[[int], dict[str, Any]] = credential) -> None:
                scans = [_scan(gate, credential(number)) for number in range(1_000)]
                answer = http.post("/v1/scans/batch", json={"scans": scans}, headers=headers)
                assert answer.status_code == 200
                assert len(answer.json()["results"]) == 1_000

            watch.require_turns(send)


def _gate(http: httpx.Client, issuer: Issuer) -> tuple[str, dict[str, str]]:
    body = {"kind": "metro", "name": "A gate", "venue": "Somewhere", "area": "440103001"}
    checkpoint_id = http.post("/v1/checkpoints", json=body, headers=issuer.headers("operator")).json()["checkpoint_id"]
    return checkpoint_id, issuer.headers("gate", checkpoints=[checkpoint_id])


def _scan(gate: str, credential: dict[str, Any]) -> dict[str, Any]:
    at = datetime.now(UTC)
    offline = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 1}
    return {
        "scan_id": str(uuid7()),
        "checkpoint_id": gate,
        "credential": credential,
        "direction": "in",
        "temperature_c": 36.5,
        "scanned_at": at.isoformat(),
        "offline": offline,
    }
