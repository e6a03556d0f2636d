"""checkpoints as it is composed, on a real PostgreSQL, with the local event log and a codes of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient

from chassis.event_log import Topic
from chassis.event_log.local import LocalEventLog
from services.checkpoints import messages
from services.checkpoints.main import Api, Worker, compose_api, compose_worker
from services.checkpoints.settings import CheckpointsSettings
from tests.integration.checkpoints.town import (
    CITY_KEY,
    GREEN,
    ISSUER,
    POLICY_OFFICE,
    ROOT,
    SHIPPED_POLICY,
    STATUS_LIST_URI,
    FakeCodes,
    Issuer,
    StandingsTopic,
    scan,
    turning,
    wait_for,
)

LOG_TOPICS = (
    Topic(messages.STANDINGS_TOPIC, 1, 86_400),
    Topic(messages.LEDGER_TOPIC, 4, 86_400),
    *messages.DECLARED,
)


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def codes() -> FakeCodes:
    return FakeCodes()


@pytest.fixture
def event_log(fresh_database: str) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(fresh_database)
    opened.declare(LOG_TOPICS)
    yield opened
    opened.close()


@pytest.fixture
def settings(
    migrated: Callable[[str], str], fresh_database: str, event_log: LocalEventLog, tmp_path: Path, issuer: Issuer
) -> CheckpointsSettings:
    (tmp_path / "issuer.json").write_text(json.dumps(issuer.jwks()))
    (tmp_path / "city.key").write_text(CITY_KEY)
    (tmp_path / "data.json").write_text(json.dumps({"current": "k1", "keys": {"k1": "2d" * 32}}))
    (tmp_path / "service.token").write_text("unused")
    (tmp_path / "policy.jwks.json").write_text(json.dumps(POLICY_OFFICE.jwks()))
    (tmp_path / "policy.jws").write_text(POLICY_OFFICE.sign(SHIPPED_POLICY))
    return CheckpointsSettings(
        database_url=migrated("checkpoints"),
        event_log_url=f"local:{fresh_database}",
        http_port=0,
        auth_issuer=ISSUER,
        auth_jwks=str(tmp_path / "issuer.json"),
        area_file=ROOT / "data" / "guangzhou" / "areas.csv",
        city_key_file=tmp_path / "city.key",
        service_token_file=tmp_path / "service.token",
        data_keys_file=tmp_path / "data.json",
        policy_file=tmp_path / "policy.jws",
        policy_keys_file=tmp_path / "policy.jwks.json",
        codes_url="https://codes.test",
        status_list_uri=STATUS_LIST_URI,
    )


@pytest.fixture
def topic(codes: FakeCodes, event_log: LocalEventLog) -> StandingsTopic:
    return StandingsTopic(codes, event_log)


@pytest.fixture
def composed(settings: CheckpointsSettings, codes: FakeCodes) -> Api:
    return compose_api(settings, codes=codes)


@pytest.fixture
def client(composed: Api) -> Iterator[TestClient]:
    with TestClient(composed.scan_routes) as opened:
        wait_for(lambda: composed.board.is_complete and composed.key_ring.has_keys())
        yield opened


@pytest.fixture
def person(
    client: TestClient, composed: Api, topic: StandingsTopic, codes: FakeCodes
) -> Callable[..., tuple[UUID, int]]:
    """Enrol a person of a colour, known to the board: (person_ref, index)."""

    def enrolled(colour: int = GREEN, **more: Any) -> tuple[UUID, int]:
        found = topic.enrol(colour, **more)
        wait_for(lambda: composed.board.revisions().get(1) == codes.revision[1])
        return found

    return enrolled


@pytest.fixture
def worker(settings: CheckpointsSettings, codes: FakeCodes) -> Iterator[Worker]:
    composed = compose_worker(settings, codes=codes)
    yield composed
    composed.database.close()


@pytest.fixture
def running(worker: Worker) -> Iterator[Worker]:
    """The worker with the loops that most tests need; timers are turned by the tests themselves."""
    with turning(worker, "topics", "relay", "consumer", "persons"):
        yield worker


@pytest.fixture
def sql(settings: CheckpointsSettings) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Ask the service's own database."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:

        def ask(statement: str, *arguments: object) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement.encode(), arguments)
            return cursor.fetchall() if cursor.description else []

        yield ask


@pytest.fixture
def register(client: TestClient, issuer: Issuer) -> Callable[..., UUID]:
    """Register a checkpoint; its id."""

    def registered(kind: str = "metro", *, area: str = "440103001", name: str = "A gate") -> UUID:
        body = {"kind": kind, "name": name, "venue": "Somewhere", "area": area}
        answer = client.post("/v1/checkpoints", json=body, headers=issuer.headers("operator"))
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["checkpoint_id"])

    return registered


@pytest.fixture
def gate(issuer: Issuer) -> Callable[..., dict[str, str]]:
    """The headers of a gate bound to checkpoints."""

    def headers(*checkpoints: object, area: str = "4401") -> dict[str, str]:
        return issuer.headers("gate", area=area, checkpoints=[str(each) for each in checkpoints])

    return headers


@pytest.fixture
def gates(client, issuer):
    """Two malls in districts that do not touch: (near, far)."""

    def registered(area, venue):
        body = {"kind": "mall", "name": "A gate", "venue": venue, "area": area}
        return client.post("/v1/checkpoints", json=body, headers=issuer.headers("operator")).json()["checkpoint_id"]

    return registered("440103001", "示例商场"), registered("440117001", "示例广场")


@pytest.fixture
def send(client, gate):
    def sent(place, token, *, at=None, **more):
        body = scan(place, at=at, **{"credential": {"pass": token}} | more)
        answer = client.post("/v1/scans", json=body, headers=gate(place))
        assert answer.status_code == 200, answer.text
        return answer.json()

    return sent
