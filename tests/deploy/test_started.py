"""Every container of the local overlay and of the compose file starts, and together they close the loop."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from guanka.home import REFERENCE, Home
from guanka.postgres import EmbeddedPostgres
from guanka.seed import seed_checkpoints
from guanka.stack import SERVICES
from tests.deploy.containers import DEPLOY, Container, Manifest, in_compose, in_kubernetes, of_kind, started
from tests.deploy.image import Image
from tests.e2e.outsider import Outsider, eventually

pytestmark = pytest.mark.kafka


@pytest.fixture(params=["kubernetes", "compose"])
def described(request: pytest.FixtureRequest, kubernetes: Path, local: list[Manifest]) -> tuple[list[Container], str]:
    """The containers, and the statements with which their PostgreSQL makes its databases."""
    if request.param == "kubernetes":
        return in_kubernetes(local), of_kind(local, "ConfigMap")["postgres-databases"]["data"]["databases.sql"]
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    keys = kubernetes / "overlays" / "local" / "keys"
    return in_compose(DEPLOY / "compose.yaml", keys), compose["configs"]["databases"]["content"]


@pytest.fixture
def databases(described: tuple[list[Container], str]) -> Iterator[Mapping[str, str]]:
    """By their addresses in the manifests: those that the manifests' own statements made."""
    containers, statements = described
    with tempfile.TemporaryDirectory(prefix="guanka-postgres-") as folder:
        server = EmbeddedPostgres(Path(folder), extra={"fsync": "off", "max_connections": "200"})
        server.prepare()
        server.start()
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            for statement in statements.split(";")[:-1]:
                connection.execute(statement)
        named = {container.environment["DATABASE_URL"] for container in containers}
        assert {url.rpartition("/")[0].rpartition("@")[2] for url in named} == {"postgres:5432"}
        yield {url: server.url(url.rpartition("/")[2]) for url in named}
        server.stop()


def test_every_container_starts_and_together_they_stop_a_contact(
    described: tuple[list[Container], str],
    databases: Mapping[str, str],
    image: Image,
    issuing_home: Home,
    kafka_bootstrap: str,
    tmp_path: Path,
) -> None:
    containers, _ = described
    assert {each.command[2:] for each in containers} == {
        (f"services.{service}.main", word) for service in SERVICES for word in ("migrate", "api", "worker")
    }
    with started(
        containers, image, folder=tmp_path, home=issuing_home.path, databases=databases, kafka=kafka_bootstrap
    ) as running:
        outsider = Outsider(running)
        assert seed_checkpoints(running.address("checkpoints"), outsider.token("operator"), REFERENCE) > 700
        mall, case, contact = outsider.checkpoint(), outsider.healthy(), outsider.healthy()
        for person_ref in (case, contact):
            eventually(lambda someone=person_ref: outsider.scan_person(mall, someone)["decision"] == "pass")
        outsider.confirm(case)
        eventually(lambda: outsider.scan_person(mall, contact)["decision"] == "stop")
        page = outsider.get("console", "/")
        assert "text/html" in page.headers["content-type"]
        assert outsider.get("console", "/static/vendor/uplot/uPlot.esm.js").status_code == 200
