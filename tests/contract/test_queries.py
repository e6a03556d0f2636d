"""Every endpoint of every service refuses a query parameter that it does not know, before it looks at anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from chassis.app import create_app
from chassis.problems import Problem
from chassis.settings import ServiceSettings
from services.checkpoints.api import application as checkpoints
from services.checkpoints.scan_routes import ScanRoutes
from services.codes import api as codes
from services.codes.showing import Showings
from services.console import api as console
from services.ledger import api as ledger

PROBES = {"/livez", "/readyz", "/metrics"}
SETTINGS = ServiceSettings(
    database_url="postgresql://nobody@/none",
    event_log_url="local:postgresql://nobody@/none",
    http_port=0,
    auth_issuer="https://issuer.test",
    auth_jwks="none.json",
    area_file=Path("areas.csv"),
)
NOTHING: Any = MagicMock()
"""In place of what endpoints work with: none is reached."""


def _codes() -> tuple[FastAPI, Any]:
    app = codes.build(SETTINGS.model_copy(update={"status_list_uri": "https://guanka.example/s"}), NOTHING)  # type: ignore[arg-type]
    front = Showings(app, token_reader=app.state.token_reader, entries=NOTHING, press=NOTHING, clock=NOTHING)
    return app, front


def _checkpoints() -> tuple[FastAPI, Any]:
    app = checkpoints.build(SETTINGS, NOTHING, checks={}, lifespan=None)  # type: ignore[arg-type]
    front = ScanRoutes(
        app,
        singles=MagicMock(),
        batches=MagicMock(),
        token_reader=app.state.token_reader,
        admission=MagicMock(),
        times=MagicMock(),
        body_bytes_max=1_000_000,
        held=MagicMock(),
    )
    return app, front


def _ledger() -> tuple[FastAPI, Any]:
    app = ledger.ledger_app(SETTINGS, NOTHING)
    return app, app


def _console() -> tuple[FastAPI, Any]:
    app = create_app("console", SETTINGS, checks={}, problems=console.PROBLEMS)
    console.add_routes(app, live=NOTHING, overview=NOTHING, areas=NOTHING, vendor=Path("vendor"), door_of=NOTHING)
    return app, app


SERVICES = {"codes": _codes, "checkpoints": _checkpoints, "ledger": _ledger, "console": _console}


def endpoints(service: str) -> Iterator[tuple[str, str]]:
    """(method, address with every part of the path filled in) of all that the service's OpenAPI shows."""
    for path, methods in SERVICES[service]()[0].openapi()["paths"].items():
        for method in methods:
            yield method.upper(), re.sub(r"{[^}]+}", lambda _: str(uuid4()), path)


@pytest.mark.parametrize("service", SERVICES)
def test_every_endpoint_refuses_what_it_does_not_know(service: str) -> None:
    client = TestClient(SERVICES[service]()[1], raise_server_exceptions=False)
    found = [each for each in endpoints(service) if each[1] not in PROBES]
    assert len(found) >= {"console": 2}.get(service, 8)
    for method, address in found:
        answer = client.request(method, f"{address}?no_such_parameter=1", json={})
        assert answer.status_code == 422, (method, address, answer.status_code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unknown_parameter", (method, address)
        assert answer.json()["errors"][0]["field"] == "query.no_such_parameter"


@pytest.mark.parametrize("service", SERVICES)
def test_every_single_parameter_may_stand_once(service: str) -> None:
    app, front = SERVICES[service]()
    client = TestClient(front, raise_server_exceptions=False)
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            address = re.sub(r"{[^}]+}", lambda _: str(uuid4()), path)
            for parameter in operation.get("parameters", ()):
                if parameter["in"] != "query" or parameter["schema"].get("type") == "array":
                    continue
                twice = f"{address}?{parameter['name']}=1&{parameter['name']}=1"
                answer = client.request(method.upper(), twice, json={})
                assert (answer.status_code, answer.json()["code"]) == (422, "repeated_parameter"), twice


@pytest.mark.parametrize("service", SERVICES)
def test_probes_take_any_query(service: str) -> None:
    client = TestClient(SERVICES[service]()[1], raise_server_exceptions=False)
    for path in ("/livez", "/metrics", "/openapi.json", "/docs"):
        assert client.get(f"{path}?x=1").status_code == 200


@pytest.mark.parametrize("service", SERVICES)
def test_no_endpoint_reads_a_large_body_of_somebody_without_a_token(service: str) -> None:
    """Whoever may send nothing could else fill the memory of a process."""

    def unread() -> Iterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    app, front = SERVICES[service]()
    app.state.token_reader = MagicMock(read=MagicMock(side_effect=Problem(401, "token_missing", "Send a token.")))
    client = TestClient(front, raise_server_exceptions=False)
    for method, address in [each for each in endpoints(service) if each[0] in ("POST", "PUT", "PATCH")]:
        answer = client.request(method, address, content=unread(), headers={"Content-Length": "1000000"})
        assert answer.status_code == 401, (method, address, answer.status_code)
