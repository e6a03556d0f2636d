"""Keys as `guanka keys` writes them, the overlays built with them, and the image as a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from chassis.event_log.kafka import connect
from guanka.deployment_keys import write_deployment_keys
from guanka.home import Home
from guanka.kafka_broker import Cluster, Locked
from guanka.kafka_rights import acls, read_rights
from guanka.ports import free_ports
from tests.deploy.containers import DEPLOY, Manifest, build
from tests.deploy.image import Image, build_image


@pytest.fixture(scope="session")
def issuing_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory, issuing_home: Home) -> Path:
    """A copy of deploy/k8s in which `guanka keys` has written the keys."""
    copy = tmp_path_factory.mktemp("deploy") / "k8s"
    shutil.copytree(DEPLOY / "k8s", copy, ignore=shutil.ignore_patterns("keys"))
    write_deployment_keys(issuing_home, copy / "overlays" / "local" / "keys")
    return copy


@pytest.fixture(scope="session")
def local(kubernetes: Path) -> list[Manifest]:
    return build(kubernetes / "overlays" / "local")


@pytest.fixture(scope="session")
def production(kubernetes: Path) -> list[Manifest]:
    return build(kubernetes / "overlays" / "production")


@pytest.fixture(scope="session")
def locked_kafka(kubernetes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker with the certificate, the authority and the rights that the overlays give theirs; clients' address."""
    keys = kubernetes / "overlays" / "local" / "keys"
    told = {"ssl_cafile": str(keys / "ca.crt"), "ssl_certfile": str(keys / "kafka.pem")}
    client = {"security_protocol": "SSL", **told}
    ports = free_ports(2)
    locked = Locked(keys / "kafka.pem", keys / "ca.crt", ports[1:], "administrator", client)
    cluster = Cluster(tmp_path_factory.mktemp("locked-kafka"), ports=ports[:1], locked=locked)
    cluster.start()
    address = f"127.0.0.1:{ports[1]}"
    admin = connect(KafkaAdminClient, bootstrap_servers=[address], client_id="rights", **client)
    admin.create_acls(acls(read_rights()))
    admin.close()
    yield address
    cluster.stop()


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_image(tmp_path_factory.mktemp("image"))
