"""The console's HTTP face, on a real database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from fastapi.testclient import TestClient

from chassis.app import server
from chassis.database import Database
from services.console.areas import read_areas
from services.console.main import build_api
from services.console.settings import ConsoleSettings
from tests.integration.checkpoints.town import ISSUER, Issuer
from tests.serving import serving

ISSUING = Issuer()


def settings(url: str, tmp_path: Path, **more: object) -> ConsoleSettings:
    (tmp_path / "jwks.json").write_text(json.dumps(ISSUING.jwks()))
    return ConsoleSettings.model_validate(
        {
            "database_url": url,
            "event_log_url": "local:postgresql://nowhere",
            "http_port": 0,
            "auth_issuer": ISSUER,
            "auth_jwks": str(tmp_path / "jwks.json"),
            "area_file": "data/guangzhou/areas.csv",
        }
        | more
    )


@pytest.fixture
def client(migrated: Callable[[str], str], tmp_path: Path) -> Iterator[TestClient]:
    made = settings(migrated("console"), tmp_path)
    database = Database(made.database_url)
    app = build_api(made, database, read_areas(made.area_file), is_ending=lambda: False, vendor=tmp_path)
    with TestClient(app) as opened:
        yield opened
    database.close()


@pytest.fixture
def served(migrated: Callable[[str], str], tmp_path: Path) -> Iterator[tuple[str, uvicorn.Server]]:
    """A console on a real socket, its address and its server."""
    made = settings(migrated("console"), tmp_path, screens_max=2, screens_public_max=4, screens_per_caller_max=2)
    database = Database(made.database_url)
    app = build_api(made, database, read_areas(made.area_file), is_ending=lambda: running.should_exit, vendor=tmp_path)
    running = server(app, host="127.0.0.1", port=0)
    with serving(running) as (host, port):
        yield f"http://{host}:{port}", running
    database.close()


def test_the_page_forbids_what_it_does_not_need(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_and_what_it_loads_need_no_token(client: TestClient) -> None:
    for address in ("/static/console.css", "/static/overview.js", "/static/slots.js", "/static/gate.svg"):
        assert client.get(address).status_code == 200, address


def test_files_outside_the_pages_are_not_there(client: TestClient) -> None:
    for address in ("/static/../api.py", "/static/%2e%2e/api.py", "/static/vendor/..%2f..%2fapi.py", "/static/nothing"):
        answer = client.get(address)
        assert answer.status_code == 404, address
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_live_stream_stands_in_openapi(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert "text/event-stream" in paths["/v1/live"]["get"]["responses"]["200"]["content"]


def test_the_api_is_ready_with_its_database(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"ready": True, "checks": {"database": {"ready": True, "detail": None}}}


def test_the_stream_sends_a_picture_each_second_and_ends_when_the_server_is_told_to(
    served: tuple[str, uvicorn.Server],
) -> None:
    address, running = served
    with httpx.stream("GET", f"{address}/v1/live", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.iter_lines()
        pictures = []
        while len(pictures) < 3:
            line = next(lines)
            if line.startswith("data: "):
                pictures.append(json.loads(line.removeprefix("data: ")))
        assert pictures[0]["figures"]["scans"]["today_total"] == 0
        assert pictures[2]["at"] > pictures[1]["at"]
        told = time.monotonic()
        running.should_exit = True
        assert not [line for line in lines if line.startswith("data: ")]
        assert time.monotonic() - told < 8


def one_picture(address: str, *roles: str, area: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {ISSUING.token(*roles, area=area)}"} if roles else {}
    with httpx.stream("GET", f"{address}/v1/live", timeout=10, headers=headers) as answer:
        line = next(line for line in answer.iter_lines() if line.startswith("data: "))
    picture: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return picture


def test_a_token_adds_what_its_role_and_area_reach_to_the_totals_of_the_city(
    migrated: Callable[[str], str], tmp_path: Path
) -> None:
    made = settings(migrated("console"), tmp_path)
    database = Database(made.database_url)
    with database.transaction() as tx:
        tx.execute(
            sa.text(
                "INSERT INTO checkpoint VALUES ('c1', 'metro', '西塱站安检点 01', '440103019');"
                "INSERT INTO alarm VALUES (gen_random_uuid(), 'fever', '440103', '440103019', 'c1', now())"
            )
        )
    app = build_api(made, database, read_areas(made.area_file), is_ending=lambda: running.should_exit, vendor=tmp_path)
    running = server(app, host="127.0.0.1", port=0)
    with serving(running) as (host, port):
        address = f"http://{host}:{port}"
        public = one_picture(address, area="")
        assert (public["reach"], public["figures"]["alarms"], public["figures"]["alarms_today"]) == (None, [], 1)
        told = json.dumps([public, httpx.get(address).text], ensure_ascii=False)
        assert "西塱" not in told
        assert "440103" not in told
        for roles, area, alarms in (
            (("operator",), "4401", 1),
            (("community",), "440103", 1),
            (("approver",), "440103019", 1),
            (("operator",), "440111", 0),
            (("authority",), "4401", 0),
            (("gate",), "440103", 0),
            (("citizen",), "", 0),
        ):
            picture = one_picture(address, *roles, area=area)
            assert len(picture["figures"]["alarms"]) == alarms, (roles, area)
            assert picture["reach"]["area"] == area
            assert picture["figures"]["alarms_today"] == 1
        refused = httpx.get(f"{address}/v1/live", headers={"Authorization": "Bearer nonsense"})
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    database.close()


@contextmanager
def watching(address: str, *tokens: str | None) -> Iterator[None]:
    """A screen for each token, and one without a token for each None."""
    with ExitStack() as open_screens:
        held = []  # a reader of lines that is let go closes its stream
        for token in tokens:
            stream = httpx.stream("GET", f"{address}/v1/live", timeout=10, headers=bearing(token))
            answer = open_screens.enter_context(stream)
            assert answer.status_code == 200, answer.read()
            held.append(answer.iter_lines())
            assert next(held[-1]) == "retry: 2000"
        yield


def refused_screen(address: str, token: str | None = None) -> tuple[int, str]:
    with httpx.stream("GET", f"{address}/v1/live", headers=bearing(token)) as answer:
        assert answer.headers.get("retry-after") == "5", "a stream was opened"
        return answer.status_code, json.loads(answer.read())["code"]


def bearing(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def test_more_screens_than_one_process_serves_are_asked_to_come_back(served: tuple[str, uvicorn.Server]) -> None:
    address, _ = served
    operators = [ISSUING.token("operator", sub=f"operator-{number}") for number in range(3)]
    with watching(address, *operators[:2]):
        assert refused_screen(address, operators[2]) == (503, "screens_full")
        with watching(address, None):
            pass


def test_screens_of_the_public_do_not_take_the_room_of_bearers(served: tuple[str, uvicorn.Server]) -> None:
    address, _ = served
    citizens = [ISSUING.token("citizen", area="", sub=f"citizen-{number}") for number in range(3)]
    with watching(address, None, None, *citizens[:2]):
        assert refused_screen(address, citizens[2]) == (503, "screens_full")
        with watching(address, ISSUING.token("operator", sub="a"), ISSUING.token("authority", sub="b")):
            pass


def test_one_address_without_a_token_has_a_bound_of_its_own(served: tuple[str, uvicorn.Server]) -> None:
    address, _ = served
    with watching(address, None, None):
        assert refused_screen(address) == (429, "too_many_screens")
        with watching(address, ISSUING.token("operator")):
            pass
    with watching(address, None, None):
        pass


def test_one_subject_has_a_bound_of_its_own_whatever_its_token(served: tuple[str, uvicorn.Server]) -> None:
    address, _ = served
    first, second = (ISSUING.token("operator", area=area, sub="operator-1") for area in ("4401", "440103"))
    with watching(address, first, second):
        assert refused_screen(address, first) == (429, "too_many_screens")


def test_screens_behind_a_trusted_proxy_are_not_counted_as_one_caller(
    migrated: Callable[[str], str], tmp_path: Path
) -> None:
    bounds = {"screens_public_max": 2, "screens_per_caller_max": 1}
    made = settings(migrated("console"), tmp_path, trusted_proxies="127.0.0.0/8", **bounds)
    database = Database(made.database_url)
    app = build_api(made, database, read_areas(made.area_file), is_ending=lambda: running.should_exit, vendor=tmp_path)
    running = server(app, host="127.0.0.1", port=0)
    with serving(running) as (host, port), watching(f"http://{host}:{port}", None, None):
        assert refused_screen(f"http://{host}:{port}") == (503, "screens_full")
    database.close()


def test_while_the_database_is_away_the_page_and_the_stream_still_answer(tmp_path: Path) -> None:
    made = settings("postgresql://guanka@127.0.0.1:9/none", tmp_path)
    database = Database(made.database_url)
    app = build_api(made, database, read_areas(made.area_file), is_ending=lambda: False, vendor=tmp_path)
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
        assert client.get("/readyz").status_code == 503
    database.close()
