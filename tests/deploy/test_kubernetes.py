"""What `kubectl apply -k` would send: valid for Kubernetes, complete for the services, without power nobody needs."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from chassis.settings import read_settings
from docs.build_settings import COMMAND_LINE, settings_of
from guanka.home import ROOT
from guanka.stack import SERVICES
from tests.deploy.containers import Container, Manifest, build, in_kubernetes, of_kind

PROCESSES = {f"{service}-{kind}" for service in SERVICES for kind in ("api", "worker")}
OVERLAYS = ("local", "production")
PODS = ("Deployment", "StatefulSet")
KUBERNETES = "1.37"
KAFKA_FILES = {"ca.crt", "kafka.crt", "kafka.key"}
BROUGHT_BY_THE_CITY = {
    "ConfigMap": {"gate-policy": {"policy.jws", "policy.jwks.json"}},
    "Secret": {
        **{f"{service}-database": {"OWNER_URL", "API_URL", "WORKER_URL"} for service in SERVICES},
        "codes-keys": {"city.key", "data.json", "signing.json", *KAFKA_FILES},
        "codes-https": {"tls.crt", "tls.key"},
        "checkpoints-keys": {"city.key", "data.json", "codes.token", *KAFKA_FILES},
        "ledger-keys": {"city.key", "data.json", *KAFKA_FILES},
        "console-keys": KAFKA_FILES,
    },
}
"""What production expects to be there under these names; deploy/README.md lists the same."""


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, local: list[Manifest], production: list[Manifest]) -> list[Manifest]:
    return {"local": local, "production": production}[request.param]


def test_the_api_server_would_take_every_manifest(manifests: list[Manifest]) -> None:
    assert len(manifests) > 30
    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_a_word_that_kubernetes_does_not_know_is_found(local: list[Manifest]) -> None:
    deployment = yaml.safe_load(yaml.safe_dump(of_kind(local, "Deployment")["codes-api"]))
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(deployment, KUBERNETES, strict=True)


def test_every_process_has_a_deployment_and_a_service_that_leads_to_it(manifests: list[Manifest]) -> None:
    deployments, services = of_kind(manifests, "Deployment"), of_kind(manifests, "Service")
    assert deployments.keys() == PROCESSES
    for name, deployment in deployments.items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        assert services[name]["spec"]["selector"] == labels
        word, port = ("https", 443) if name == "codes-api" else ("http", 80)
        assert services[name]["spec"]["ports"] == [{"name": word, "port": port, "targetPort": "http"}]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_be_built_alone_and_an_overlay_whole(service: str, overlay: str, kubernetes: Path) -> None:
    alone = of_kind(build(kubernetes / "base" / service), "Deployment")
    whole = of_kind(build(kubernetes / "overlays" / overlay), "Deployment")
    assert alone.keys() == {f"{service}-api", f"{service}-worker"} <= whole.keys()


def referred(manifests: list[Manifest], kind: str) -> dict[str, set[str]]:
    """What the pods refer to, by the name it has before its content's hash, with the keys they need of it."""
    found: dict[str, set[str]] = {}
    for each in of_kind(manifests, *PODS).values():
        spec = each["spec"]["template"]["spec"]
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            for source in container.get("envFrom", ()):
                if kind == "ConfigMap" and "configMapRef" in source:
                    found.setdefault(source["configMapRef"]["name"], set())
            for variable in container.get("env", ()):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference and kind == "Secret":
                    found.setdefault(reference["name"], set()).add(reference["key"])
        for volume in spec.get("volumes", ()):
            source = volume.get("secret" if kind == "Secret" else "configMap")
            if source:
                found.setdefault(source.get("secretName") or source["name"], set())
    return found


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_whatever_a_pod_refers_to_is_there(kind: str, local: list[Manifest]) -> None:
    given = {name: set(each.get("data", {})) for name, each in of_kind(local, kind).items()}
    for name, keys in referred(local, kind).items():
        assert keys <= given[name], name


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_production_lacks_only_what_the_city_brings(kind: str, production: list[Manifest]) -> None:
    missing = {name: keys for name, keys in referred(production, kind).items() if name not in of_kind(production, kind)}
    assert missing.keys() == BROUGHT_BY_THE_CITY[kind].keys()
    for name, keys in missing.items():
        assert keys <= BROUGHT_BY_THE_CITY[kind][name]


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_the_readme_lists_what_the_city_brings_and_development_keys_have_the_same_names(
    kind: str, local: list[Manifest]
) -> None:
    page = (ROOT / "deploy" / "README.md").read_text()
    for name, keys in BROUGHT_BY_THE_CITY[kind].items():
        assert f"`{name}`" in page
        assert all(f"`{key}`" in page for key in keys)
        (developed,) = (each for found, each in of_kind(local, kind).items() if found.rpartition("-")[0] == name)
        assert developed["data"].keys() == keys


def serving(manifests: list[Manifest]) -> list[Container]:
    return [each for each in in_kubernetes(manifests) if not each.is_migration]


def test_every_variable_is_a_setting_and_no_setting_is_missing(local: list[Manifest]) -> None:
    everybodys = {name.upper() for service in SERVICES for kind in settings_of(service) for name in kind.model_fields}
    for container in serving(local):
        (kind,) = settings_of(container.service)
        read_settings(kind, container.environment)
        assert container.environment["GUANKA_SERVICE"] == container.service
        assert container.environment.keys() <= everybodys | COMMAND_LINE.keys()
        of_its_own = {name.upper() for name in kind.model_fields} | COMMAND_LINE.keys()
        shared = own_config(local, "city").keys()
        assert container.environment.keys() - shared <= of_its_own, container.name


def own_config(manifests: list[Manifest], name: str) -> Mapping[str, str]:
    (found,) = (each for key, each in of_kind(manifests, "ConfigMap").items() if key.rpartition("-")[0] == name)
    data: dict[str, str] = found["data"]
    return data


def test_every_file_that_a_setting_names_is_mounted_or_in_the_image(local: list[Manifest]) -> None:
    for container in serving(local):
        for name, value in container.environment.items():
            if value.startswith("/guanka/"):
                assert (ROOT / value.removeprefix("/guanka/")).is_file(), name
            elif value.startswith("/"):
                assert value in container.files, f"{container.name}: {name}={value}"


def test_the_keys_of_the_city_reach_only_those_who_use_them(local: list[Manifest]) -> None:
    held = {container.name: {Path(path).name for path in container.files} for container in in_kubernetes(local)}
    for name, files in held.items():
        service = name.split("-")[0]
        assert ("signing.json" in files) == (service == "codes" and not name.endswith("/migrate")), name
        assert ("city.key" in files) == (service != "console" and not name.endswith("/migrate")), name
        assert ("tls.key" in files) == (name == "codes-api/guanka"), name
        assert ("codes.token" in files) == (service == "checkpoints" and not name.endswith("/migrate")), name


def test_production_asks_the_citys_identity_provider_and_has_no_development_issuer(production: list[Manifest]) -> None:
    city = own_config(production, "city")
    assert city["AUTH_JWKS"].startswith("https://")
    assert "guanka-development" not in yaml.safe_dump_all(production)


def test_no_container_may_do_more_than_it_needs(manifests: list[Manifest]) -> None:
    for name, each in of_kind(manifests, *PODS).items():
        spec = each["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            allowed = container["securityContext"]
            assert allowed["allowPrivilegeEscalation"] is False, name
            assert allowed["capabilities"] == {"drop": ["ALL"]}, name
            if name in PROCESSES:
                assert allowed["readOnlyRootFilesystem"] is True, name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name
            assert container["image"].partition(":")[2] not in ("", "latest"), name


def test_every_process_says_whether_it_lives_and_whether_it_takes_work(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment").values():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        is_https = any(each["name"] == "HTTP_CERTIFICATE_FILE" for each in container["env"])
        scheme = {"scheme": "HTTPS"} if is_https else {}
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http", **scheme}
        assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "http", **scheme}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http", **scheme}


def test_production_survives_the_loss_of_a_node(production: list[Manifest]) -> None:
    budgets = of_kind(production, "PodDisruptionBudget")
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each for each in of_kind(production, "HorizontalPodAutoscaler").values()
    }
    for name, deployment in of_kind(production, "Deployment").items():
        spec = deployment["spec"]
        replicas = scaled[name]["spec"]["minReplicas"] if name in scaled else spec["replicas"]
        assert replicas >= 2, name
        assert ("replicas" in spec) != (name in scaled), f"{name}: two masters of its number"
        assert budgets[name]["spec"]["selector"] == spec["selector"]
        spread = spec["template"]["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert all(each["labelSelector"] == spec["selector"] for each in spread)
    assert scaled.keys() == {"codes-api", "checkpoints-api"}


def test_only_checkpoints_and_the_console_call_other_services(production: list[Manifest]) -> None:
    policies = of_kind(production, "NetworkPolicy")
    assert policies["nobody-by-default"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    callers = {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for policy in policies.values()
        for rule in policy["spec"].get("ingress", ())
        for peer in rule["from"]
        if "podSelector" in peer
    }
    assert callers == {"checkpoints", "console"}


def test_a_process_may_ask_only_what_its_settings_name(production: list[Manifest], local: list[Manifest]) -> None:
    """Egress: names, the database and the log, and of other processes those it asks; apis the issuer's keys."""
    policies = {
        name: each["spec"]
        for name, each in of_kind(production, "NetworkPolicy").items()
        if "Egress" in each["spec"]["policyTypes"] and name != "nobody-by-default"
    }
    ports = {
        name: {(each["port"], each.get("endPort")) for rule in spec["egress"] for each in rule["ports"]}
        for name, spec in policies.items()
    }
    assert ports == {
        "everybody-to-names": {(53, None)},
        "everybody-to-database-and-log": {(5432, None), (9092, 9094)},
        "apis-to-issuer": {(443, None)},
        "checkpoints-asks-codes": {("http", None)},
        "console-asks-everybody": {("http", None)},
        "everybody-to-collector": {(4318, None)},
    }
    assert all(rule["to"] for spec in policies.values() for rule in spec["egress"]), "an empty list is everywhere"
    asking = {name for name in policies if ("http", None) in ports[name]}
    askers = {
        container.service
        for container in serving(local)
        for value in container.environment.values()
        if re.search(r"https?://(codes|checkpoints|ledger|console)-(api|worker)", value)
    }
    assert {policies[name]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for name in asking} == askers


def test_the_reference_data_of_the_image_is_the_citys(local: list[Manifest]) -> None:
    area_file = own_config(local, "city")["AREA_FILE"].removeprefix("/guanka/")
    with (ROOT / area_file).open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["code"] == "4401"


def test_a_second_writing_of_the_keys_changes_only_the_token(
    kubernetes: Path, tmp_path: Path, issuing_home: object
) -> None:
    from guanka.deployment_keys import write_deployment_keys
    from guanka.home import Home

    assert isinstance(issuing_home, Home)
    folder = tmp_path / "keys"
    shutil.copytree(kubernetes / "overlays" / "local" / "keys", folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    written = write_deployment_keys(issuing_home, folder)
    after = {path.name: path.read_bytes() for path in written}
    assert {name for name in before if before[name] != after[name]} <= {"checkpoints.token"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *written))
