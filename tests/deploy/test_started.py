"""Every container of the local overlay and of the compose file starts, and together they close the loop."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from guanka.home import Home
from guanka.keys import SHIPPED_POLICY, PolicySigner, TokenIssuer
from guanka.postgres import EmbeddedPostgres
from guanka.stack import SERVICES
from tests.deploy.containers import DEPLOY, Container, Manifest, Started, in_compose, in_kubernetes, of_kind, started
from tests.deploy.image import Image
from tests.e2e.outsider import Outsider, eventually

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module", params=["kubernetes", "compose"])
def described(request: pytest.FixtureRequest, kubernetes: Path, local: list[Manifest]) -> tuple[list[Container], str]:
    """The containers, and the statements with which their PostgreSQL makes its databases."""
    if request.param == "kubernetes":
        return in_kubernetes(local), of_kind(local, "ConfigMap")["postgres-databases"]["data"]["databases.sql"]
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    keys = kubernetes / "overlays" / "local" / "keys"
    return in_compose(DEPLOY / "compose.yaml", keys), compose["configs"]["databases"]["content"]


@pytest.fixture(scope="module")
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
        yield {url: _here(server, url) for url in named}
        server.stop()


def _here(server: EmbeddedPostgres, url: str) -> str:
    """The same database of this server, with the same role; who comes through its socket shows no password."""
    role = url.removeprefix("postgresql://").partition(":")[0]
    return server.url(url.rpartition("/")[2]).replace("//postgres@", f"//{role}@")


@pytest.fixture(scope="module")
def running(
    described: tuple[list[Container], str],
    databases: Mapping[str, str],
    image: Image,
    issuing_home: Home,
    locked_kafka: str,
    kubernetes: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Started]:
    """All containers, with Guangzhou's checkpoints registered by the command line of one of them.

    The broker is behind locks; each service has its own certificate, and its own rights.
    """
    authority = kubernetes / "overlays" / "local" / "keys" / "ca.crt"
    containers, _ = described
    assert {each.command[2:] for each in containers} == {
        (f"services.{service}.main", word) for service in SERVICES for word in ("migrate", "api", "worker")
    }
    folder = tmp_path_factory.mktemp("containers")
    with (
        started(
            containers, image, folder=folder, home=issuing_home.path, databases=databases, kafka=locked_kafka
        ) as product,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(authority))
        (folder / "operator.token").write_text(TokenIssuer(issuing_home).token("operator"))
        seeded = product.guanka("checkpoints-api", "seed", "--token-file", str(folder / "operator.token"))
        assert seeded.returncode == 0, seeded.stderr
        assert int(seeded.stdout.split()[0]) > 700
        yield product


def test_every_container_starts_and_together_they_stop_a_contact(running: Started) -> None:
    outsider = Outsider(running)
    mall, case, contact = outsider.checkpoint(), outsider.healthy(), outsider.healthy()
    for person_ref in (case, contact):
        eventually(lambda someone=person_ref: outsider.scan_person(mall, someone)["decision"] == "pass")
    outsider.confirm(case)
    eventually(lambda: outsider.scan_person(mall, contact)["decision"] == "stop")
    page = outsider.get("console", "/")
    assert "text/html" in page.headers["content-type"]
    assert outsider.get("console", "/static/vendor/uplot/uPlot.esm.js").status_code == 200


# -- the commands that the runbook names, inside the containers --------------------------------------------------------

in_a_pod = pytest.mark.parametrize("described", ["kubernetes"], indirect=True)
"""Compose starts the same processes of the same image; what is looked at twice is whether all are well."""


def test_the_doctor_sees_all_processes_from_a_pod_of_the_console(running: Started) -> None:
    done = eventually(lambda: _if_well(running.guanka("console-api", "doctor")))
    names = [f"{service}-{kind}" for service in SERVICES for kind in ("api", "worker")]
    assert all(f"{name} " in done.stdout for name in names)
    assert "everything is as it should be" in done.stdout


@in_a_pod
@pytest.mark.parametrize("pod", ["codes-worker", "checkpoints-api", "checkpoints-worker", "ledger-api"])
def test_the_doctor_sees_a_pods_own_process_and_database(pod: str, running: Started) -> None:
    done = eventually(lambda: _if_well(running.guanka(pod, "doctor")))
    service = pod.split("-")[0]
    assert f"this {service} process" in done.stdout
    assert f"database {service}: " in done.stdout
    assert (", as codes has it" in done.stdout) == (pod == "checkpoints-api")


def _if_well(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str] | None:
    assert "Traceback" not in done.stderr
    return done if done.returncode == 0 else None


@in_a_pod
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_mended_in_a_pod_of_its_own(service: str, running: Started) -> None:
    for command in (["republish", service], ["dead-letters", "list"]):
        done = running.guanka(f"{service}-worker", *command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@in_a_pod
def test_a_consumer_is_set_to_the_logs_start_and_a_dead_letter_replayed_in_a_pod(running: Started) -> None:
    done = running.guanka("ledger-worker", "resume", "ledger")
    assert (done.returncode, done.stdout) == (0, "ledger: 0 places start again at the log's first record\n")
    done = running.guanka("ledger-worker", "dead-letters", "replay", "ledger", "7")
    assert (done.returncode, done.stderr) == (1, ""), "there is no such dead letter"


@in_a_pod
def test_the_others_are_brought_to_a_restored_service_from_their_pods(running: Started) -> None:
    done = eventually(lambda: _if_well(running.guanka("codes-worker", "restored", "ledger")))
    assert done.stdout.startswith("codes: takes the state of ledger"), done.stderr


@in_a_pod
def test_a_service_is_not_mended_in_a_pod_of_another_and_the_command_says_where(running: Started) -> None:
    for command in (["republish", "codes"], ["dead-letters", "list", "--service", "codes"]):
        done = running.guanka("ledger-worker", *command)
        assert done.returncode == 1
        assert "kubectl -n guanka exec deploy/codes-worker -- guanka" in done.stderr
        assert "Traceback" not in done.stderr
    assert "deploy/ledger-worker" in running.guanka("codes-api", "ledger", "verify").stderr


@in_a_pod
def test_the_journal_is_verified_in_a_pod_of_the_ledger(running: Started) -> None:
    done = running.guanka("ledger-worker", "ledger", "verify")
    assert (done.returncode, json.loads(done.stdout)["whole"]) == (0, True), done.stderr


@in_a_pod
@pytest.mark.parametrize(("pod", "topic"), [("codes-worker", "ledger.events.v1"), ("ledger-worker", "codes.events.v1")])
def test_events_are_shown_in_a_pod_that_may_read_them(pod: str, topic: str, running: Started) -> None:
    done = running.guanka(pod, "tail", topic, "--from-start", "--no-follow")
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["topic"] for line in done.stdout.splitlines()} == {topic}


@in_a_pod
@pytest.mark.parametrize("command", [["up"], ["kafka", "up"]])
def test_what_is_for_one_machine_is_refused_in_a_pod(command: list[str], running: Started) -> None:
    done = running.guanka("codes-worker", *command)
    assert done.returncode == 1
    assert "is for a product on one machine" in done.stderr


@in_a_pod
def test_a_pod_signs_no_tokens(running: Started) -> None:
    done = running.guanka("codes-api", "token", "operator")
    assert (done.returncode, done.stdout) == (1, "")
    assert "identity provider" in done.stderr


@in_a_pod
def test_a_signed_policy_is_checked_and_published_from_a_pod(
    running: Started, issuing_home: Home, tmp_path: Path
) -> None:
    document = json.loads(SHIPPED_POLICY.read_text())
    (tmp_path / "policy.jws").write_text(PolicySigner(issuing_home).sign(document | {"policy": "from-a-pod@1"}))
    (tmp_path / "token").write_text(TokenIssuer(issuing_home).token("operator"))
    assert running.guanka("checkpoints-api", "policy", "check", str(tmp_path / "policy.jws")).returncode == 0
    done = running.guanka(
        "checkpoints-api", "policy", "publish", str(tmp_path / "policy.jws"), "--token-file", str(tmp_path / "token")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from-a-pod" in done.stdout


@in_a_pod
def test_a_database_that_is_away_is_said_in_a_line(running: Started) -> None:
    environment = running.environments[next(name for name in running.environments if name.startswith("codes-api"))]
    away = environment | {"DATABASE_URL": "postgresql://guanka:do-not-tell@127.0.0.1:1/codes"}
    for command in (["republish", "codes"], ["dead-letters", "list"]):
        done = running.image.run("guanka", *command, environment=away)
        assert done.returncode == 1, command
        assert "Traceback" not in done.stderr
        assert "do-not-tell" not in done.stderr
