"""The four services describe themselves so that other people's tools can read it, and truly."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from chassis.docs_page import VENDOR, add_docs_page
from tests.contract.test_queries import SERVICES

ROOT = Path(__file__).resolve().parents[2]
REDOCLY = ROOT / "node_modules" / ".bin" / "redocly"
PROBES = {"/livez", "/readyz", "/metrics"}
PUBLIC = {
    "codes": {"/.well-known/jwks.json", "/v1/status-lists/{number}", "/s/{number}"},
    "console": {"/", "/v1/live"},
}


def described(service: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(json.dumps(SERVICES[service]()[0].openapi()))
    return schema


@pytest.mark.parametrize("service", SERVICES)
def test_redocly_finds_nothing(service: str, tmp_path: Path) -> None:
    assert shutil.which("node"), "Node.js is missing: Redocly needs 20.19 or newer"
    document = tmp_path / f"{service}.json"
    document.write_text(json.dumps(described(service)))
    environment = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    checked = subprocess.run(
        [str(REDOCLY), "lint", "--extends", "recommended", "--format", "json", str(document)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    found = json.loads(checked.stdout)
    assert found["problems"] == [], checked.stdout[:3_000]
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


@pytest.mark.parametrize("service", SERVICES)
def test_what_needs_a_bearer_says_so_and_everything_else_is_public(service: str) -> None:
    """Asked without one: 401 of those, and of no other."""
    schema = described(service)
    scheme = schema["components"]["securitySchemes"].get("bearer")
    front = SERVICES[service]()[1]
    client = TestClient(front, raise_server_exceptions=False)
    public = set()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if not operation["security"] or {} in operation["security"]:
                public.add(path)
                continue
            assert operation["security"] == [{"bearer": []}]
            assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
            address = re.sub(r"{[^}]+}", lambda _: str(uuid4()), path)
            answer = client.request(method.upper(), address, json={})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), (method, path)
    assert public == PROBES | PUBLIC.get(service, set())


@pytest.mark.parametrize("service", SERVICES)
def test_every_refusal_is_a_problem_document(service: str) -> None:
    schema, public = described(service), PROBES | PUBLIC.get(service, set())
    assert "HTTPValidationError" not in json.dumps(schema)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            problems = {status: each for status, each in operation["responses"].items() if status[0] in "45d"}
            assert any(status[0] == "4" for status in problems), (method, path)
            assert {"401", "403"} <= problems.keys() or path in public, (method, path)
            assert {"400", "413", "422"} <= problems.keys() or "requestBody" not in operation, (method, path)
            for status, each in problems.items():
                if (path, status) != ("/readyz", "503"):
                    (content,) = each["content"].items()
                    assert content[0] == "application/problem+json", (method, path, status)
                    assert content[1]["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}


# -- /docs -------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page loads, and what stands in its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline = ""
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self._in_script = tag in ("script", "style")
        assert not any(name.startswith("on") or name == "style" for name in told)
        if tag in ("script", "link", "img"):
            self.loads.append(told.get("src") or told.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        self.inline += data.strip() if self._in_script else ""


@pytest.mark.parametrize("service", SERVICES)
def test_the_docs_page_loads_from_this_server_alone(service: str) -> None:
    client = TestClient(SERVICES[service]()[1], raise_server_exceptions=False)
    answer = client.get("/docs")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in policy
    page = Page(answer.text)
    assert page.inline == ""
    files = [each for each in page.loads if not each.startswith("data:")]
    assert len(files) == 3
    for each in files:
        assert "//" not in each
        assert not each.startswith("/"), "it must work behind a prefix too"
        assert client.get(f"/{each}").status_code == 200, "make setup copies it"


def test_the_docs_page_says_when_its_library_is_missing(tmp_path: Path) -> None:
    app = FastAPI(docs_url=None)
    add_docs_page(app, tmp_path)
    assert "make setup" in TestClient(app).get("/docs").text
    assert (VENDOR / "LICENSE").is_file()
