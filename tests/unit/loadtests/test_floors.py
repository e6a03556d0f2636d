"""The two floors of a scan do the same work; they differ in where they stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.exceptions import InvalidSignature
from rich.console import Console

from loadtests import bench_path
from loadtests.floors import DirectScanFloor, ScanFloor
from loadtests.passes import Mint, make_signing_keys
from services.codes.signing import read_signing_keys

URI = "https://guanka.example/s"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "signing.json"
    path.write_text(make_signing_keys(datetime.now(UTC)))
    return path


@pytest.fixture
def body(keys: Path) -> bytes:
    token = Mint(keys, URI).shown(1, 7, time.time()).decode()
    return orjson.dumps({"scan_id": "x", "credential": {"pass": token}})


def by_asgi(floor: ScanFloor, body: bytes) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(floor({"type": "http"}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def directly(floor: DirectScanFloor, body: bytes) -> tuple[int, bytes]:
    answers: list[tuple[int, bytes]] = []

    def respond(
        status: int, body: bytes, media_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        answers.append((status, body))

    floor.directly(b"/v1/scans", {})(body, respond)
    return answers[0]


def test_both_floors_verify_the_pass_and_answer_alike(keys: Path, body: bytes) -> None:
    jwks = read_signing_keys(keys).jwks()
    assert by_asgi(ScanFloor(jwks), body) == directly(DirectScanFloor(jwks), body) == (200, b'{"decision":"pass"}')


def test_neither_floor_takes_a_pass_that_another_key_signed(keys: Path, body: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(make_signing_keys(datetime.now(UTC)))
    jwks = read_signing_keys(keys).jwks()
    kids = [key["kid"] for key in jwks["keys"]]
    strangers = {
        "keys": [key | {"kid": kid} for key, kid in zip(read_signing_keys(other).jwks()["keys"], kids, strict=True)]
    }
    with pytest.raises(InvalidSignature):
        by_asgi(ScanFloor(strangers), body)
    with pytest.raises(InvalidSignature):
        directly(DirectScanFloor(strangers), body)


def test_what_is_promised_is_over_the_floor_in_asgi_which_takes_nothing_directly() -> None:
    assert not hasattr(ScanFloor, "directly")


def test_both_ratios_of_a_scan_are_shown_and_only_the_first_is_promised() -> None:
    names = ("scan_floor", "scan_direct_floor", "scan", "es256_verify", "es256_sign")
    figures = {f"{name}_per_s": 4000.0 for name in names} | {"scan_floor_per_s": 6000.0, "scan_direct_floor_per_s": 9e3}
    figures |= {f"{name}_{what}_us": 1.0 for name in names for what in ("service", "database")}
    figures |= {f"insert_groups_of_{size}_per_s": 1.0 for size in (1, 10, 100)}
    checks = bench_path._compare(figures)
    assert (round(figures["scan_ratio"], 2), round(figures["scan_direct_ratio"], 2)) == (0.67, 0.44)
    assert checks == {"scan_to_scan_floor": True}
    console = Console(record=True, width=120, file=StringIO())
    bench_path._tell(console, figures, checks)
    told = console.export_text()
    row = next(line.split() for line in told.splitlines() if line.split()[:2] == ["scan", "4,000"])
    assert row[-2:] == ["0.67", "0.44"]
    assert "scan direct floor" in told
