"""deploy/compose.yaml: complete for the services, shut to the outside, the same as the local overlay elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.settings import read_settings
from docs.build_settings import COMMAND_LINE, settings_of
from guanka.stack import SERVICES
from tests.deploy.containers import (
    DEPLOY,
    Container,
    Manifest,
    in_compose,
    in_kubernetes,
    of_kind,
    volumes_of_keys,
)

FILE = DEPLOY / "compose.yaml"
_OF_THE_PLACE = {
    "AUTH_JWKS", "CODES_URL", "HTTP_CERTIFICATE_FILE", "HTTP_KEY_FILE", "POLICY_FILE", "POLICY_KEYS_FILE",
    "WORKERS_JSON",
}  # fmt: skip
"""Settings that name neighbours and mounted files, which Compose and Kubernetes name differently."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return document


@pytest.fixture
def containers(kubernetes: Path) -> list[Container]:
    return in_compose(FILE, kubernetes / "overlays" / "local" / "keys")


def test_every_variable_is_a_setting_and_no_setting_is_missing(containers: list[Container]) -> None:
    serving = [each for each in containers if not each.is_migration]
    assert len(serving) == 8
    for container in serving:
        (kind,) = settings_of(container.service)
        read_settings(kind, container.environment)
        assert container.environment["GUANKA_SERVICE"] == container.service
        known = {name.upper() for name in kind.model_fields} | COMMAND_LINE.keys()
        assert container.environment.keys() <= known, container.name
        assert all(
            value in container.files for value in container.environment.values() if value.startswith("/keys/")
        ), container.name


def test_a_setting_has_the_same_value_as_in_the_local_overlay(
    containers: list[Container], local: list[Manifest]
) -> None:
    there = {each.command: each.environment for each in in_kubernetes(local)}
    assert {container.command for container in containers} == there.keys()
    for container in containers:
        for name in container.environment.keys() - _OF_THE_PLACE:
            assert container.environment[name] == there[container.command][name], f"{container.name}: {name}"


def test_postgres_and_kafka_are_the_same_as_in_the_local_overlay(
    compose: dict[str, Any], local: list[Manifest]
) -> None:
    for name in ("postgres", "kafka"):
        (container,) = of_kind(local, "StatefulSet")[name]["spec"]["template"]["spec"]["containers"]
        here = compose["services"][name]
        assert here["image"] == container["image"]
        told = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        assert {key: value.replace("$$", "$") for key, value in here["environment"].items()} == told
        assert here.get("command", ["postgres"])[1:] == container.get("args", [])


def test_nothing_listens_beyond_this_machine(compose: dict[str, Any]) -> None:
    published = [port for each in compose["services"].values() for port in each.get("ports", ())]
    assert len(published) >= 4
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_whatever_a_container_refers_to_is_declared(compose: dict[str, Any]) -> None:
    for name, each in compose["services"].items():
        assert set(each.get("depends_on", ())) <= compose["services"].keys(), name
        assert {config["source"] for config in each.get("configs", ())} <= compose["configs"].keys(), name
        for volume in each.get("volumes", ()):
            source = volume.split(":")[0]
            is_of_this_folder = source.startswith("./") and (source.endswith("/keys") or (DEPLOY / source).exists())
            assert is_of_this_folder or source in compose["volumes"], f"{name}: {volume}"
        assert each["image"].rpartition(":")[2] not in ("", "latest"), name


def test_guankas_containers_may_write_nothing_and_have_no_capabilities(compose: dict[str, Any]) -> None:
    ours = {name: each for name, each in compose["services"].items() if each["image"].startswith("guanka:")}
    assert len(ours) == 13
    for name, each in ours.items():
        assert each["read_only"] is True
        assert each["cap_drop"] == ["ALL"]
        assert ("user" in each) == (name == "keys")
        assert ("cap_add" in each) == (name == "keys")


def test_prometheus_reads_every_process(containers: list[Container]) -> None:
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    ((job,), names) = configuration["scrape_configs"], [name for each in containers for name in each.names]
    assert sorted(job["static_configs"][0]["targets"]) == sorted(names)


def test_each_process_gets_the_keys_that_its_settings_name_and_no_others(containers: list[Container]) -> None:
    """Of its service: what the api alone needs stands beside what the worker needs too."""
    for service in SERVICES:
        own = [each for each in containers if each.service == service]
        named = {value for each in own for value in each.environment.values() if value.startswith("/keys/")}
        for each in own:
            assert set(each.files) == (set() if each.is_migration else named), each.name


def test_no_volume_holds_a_password_or_the_authoritys_key(compose: dict[str, Any], kubernetes: Path) -> None:
    volumes = volumes_of_keys(compose, kubernetes / "overlays" / "local" / "keys")
    assert {f"{service}-keys" for service in (*SERVICES, "kafka")} == volumes.keys()
    held = {file for files in volumes.values() for file in files}
    assert not [file for file in held if file.endswith(".env") or "authority" in file or file.startswith("postgres")]
    for name, each in compose["services"].items():
        mounted = {volume.split(":")[0] for volume in each.get("volumes", ())} & volumes.keys()
        own = {f"{name.removesuffix('-rights').split('-')[0]}-keys"}
        assert mounted <= (volumes.keys() if name == "keys" else own), name
