"""codes as it is composed, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from chassis.database import Database
from services.codes.api.desk import Desk
from services.codes.main import compose_api, desk_of
from services.codes.settings import CodesSettings
from tests.integration.codes.city import ISSUER, ROOT, City, Issuer, MovableClock, write_keys


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def settings(migrated: Callable[[str], str], tmp_path: Path, issuer: Issuer) -> CodesSettings:
    write_keys(tmp_path, issuer)
    return CodesSettings(
        database_url=migrated("codes"),
        event_log_url="local:postgresql://nowhere/none",
        http_port=0,
        auth_issuer=ISSUER,
        auth_jwks=str(tmp_path / "issuer.json"),
        area_file=ROOT / "data" / "guangzhou" / "areas.csv",
        city_key_file=tmp_path / "city.key",
        data_keys_file=tmp_path / "data.json",
        signing_keys_file=tmp_path / "signing.json",
        status_list_uri="https://guanka.example/s",
    )


@pytest.fixture
def database(settings: CodesSettings) -> Iterator[Database]:
    opened = Database(settings.database_url, connections_max=20)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def desk(settings: CodesSettings, database: Database, clock: MovableClock) -> Desk:
    return replace(desk_of(settings, database), clock=clock)


@pytest.fixture
def client(settings: CodesSettings, desk: Desk) -> Iterator[TestClient]:
    with TestClient(compose_api(settings, desk)) as client:
        yield client


@pytest.fixture
def city(client: TestClient, issuer: Issuer) -> City:
    return City(client, issuer)
