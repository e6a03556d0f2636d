"""A query parameter that an endpoint does not know is refused, and a single one that comes twice; probes take any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, Query
from fastapi.testclient import TestClient
from pydantic import BaseModel

from chassis.app import create_app
from chassis.problems import Problem
from chassis.queries import require_no_query
from chassis.settings import ServiceSettings

router = APIRouter()


class Asked(BaseModel):
    area: str | None = None
    since: Annotated[str | None, Query(alias="from")] = None


@router.get("/plain/{x}")
def plain(x: str, limit: int = 10, from_: Annotated[str | None, Query(alias="from")] = None) -> str:
    return x


@router.get("/modelled")
def modelled(query: Annotated[Asked, Query()]) -> None:
    return None


@router.get("/listed")
def listed(kind: Annotated[list[str] | None, Query()] = None, area: Annotated[list[str], Query()] = []) -> None:  # noqa: B006
    return None


@router.post("/none")
def none() -> None:
    return None


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder: Path = tmp_path_factory.mktemp("queries")
    settings = ServiceSettings(
        database_url="postgresql://nobody@/none",
        event_log_url="local:postgresql://nobody@/none",
        http_port=0,
        auth_issuer="https://issuer.test",
        auth_jwks=str(folder / "none.json"),
        area_file=folder / "areas.csv",
    )
    app = create_app("test", settings, checks={}, problems={})
    app.include_router(router)
    return TestClient(app)


@pytest.mark.parametrize(
    "address",
    [
        "/plain/1",
        "/plain/1?",
        "/plain/1?limit=2&from=x",
        "/modelled?area=4401&from=x",
        "/listed?kind=a&kind=b&area=c&area=d",
        "/livez?at=now",
        "/readyz?x=1&x=2",
        "/metrics?name[]=up",
        "/openapi.json?x=1",
        "/docs?x=1",
    ],
)
def test_what_is_known_is_taken_and_probes_take_anything(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("/plain/1?at=2026-11-28T08:00:00Z", ["query.at"]),
        ("/plain/1?from_=x", ["query.from_"]),
        ("/plain/1?x=2", ["query.x"]),
        ("/plain/1?Limit=2", ["query.Limit"]),
        ("/plain/1?limit=2&a=1&b&a=2", ["query.a", "query.b"]),
        ("/plain/1?=1", ["query."]),
        ("/modelled?since=x", ["query.since"]),
        ("/modelled?query=x", ["query.query"]),
        ("/listed?kinds=x", ["query.kinds"]),
    ],
)
def test_what_is_not_known_is_named_with_what_is(client: TestClient, address: str, fields: list[str]) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")
    assert [each["field"] for each in answer.json()["errors"]] == fields
    assert all("known are " in each["message"] for each in answer.json()["errors"])


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/plain/1?limit=2&limit=2", "query.limit"),
        ("/plain/1?from=a&limit=2&from=b", "query.from"),
        ("/modelled?area=1&area=2", "query.area"),
    ],
)
def test_a_single_parameter_that_comes_twice_is_refused(client: TestClient, address: str, field: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (422, "repeated_parameter")
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_an_endpoint_without_parameters_takes_none(client: TestClient) -> None:
    answer = client.post("/none?dry_run=true")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")
    assert answer.json()["errors"] == [{"field": "query.dry_run", "message": "is not known here; none is"}]


def test_a_long_query_is_answered_briefly(client: TestClient) -> None:
    answer = client.get("/plain/1?" + "&".join(f"{n:0>200}" for n in range(200)))
    assert answer.status_code == 422
    assert len(answer.content) < 20_000


def test_a_query_is_refused_where_no_framework_reads_it() -> None:
    require_no_query(b"")
    with pytest.raises(Problem) as refused:
        require_no_query(b"dry_run=%FF&x")
    assert [each["field"] for each in refused.value.errors][1:] == ["query.x"]
