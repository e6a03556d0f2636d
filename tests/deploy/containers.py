"""Containers as manifests describe them, of Kubernetes or of Compose; and started here, without an engine."""

from __future__ import annotations

import base64
import json
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from guanka.ports import free_ports
from tests.deploy.image import Image
from tests.deploy.kubectl import kubectl

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
_READY_S = 180.0
_HOST = re.compile(r"(?<=//)([a-z-]+)(:\d+)?(?=[/\"]|$)")

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Container:
    """`files` maps a path in the container to its content; `names` the addresses at which it answers others."""

    name: str
    service: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, bytes]
    names: frozenset[str] = frozenset()
    probe: str | None = None

    @property
    def is_https(self) -> bool:
        return "HTTP_CERTIFICATE_FILE" in self.environment

    @property
    def authority(self) -> str:
        """The certificate of the authority that it was given, for its own clients or for the brokers."""
        return self.files[self.environment["EVENT_LOG_CA_FILE"]].decode()

    @property
    def is_migration(self) -> bool:
        return self.command[-1] == "migrate"


def build(overlay: Path) -> list[Manifest]:
    """What `kubectl apply -k` would send to the cluster."""
    built = subprocess.run([str(kubectl()), "kustomize", str(overlay)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert not built.stderr, built.stderr
    return list(yaml.safe_load_all(built.stdout))


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> dict[str, Manifest]:
    """By name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] in kinds}


def in_kubernetes(manifests: Sequence[Manifest]) -> list[Container]:
    """Of each Deployment the init container and the container, with everything that they refer to."""
    given = {name: _content(each) for name, each in of_kind(manifests, "ConfigMap", "Secret").items()}
    services = of_kind(manifests, "Service")
    found = []
    for name, deployment in of_kind(manifests, "Deployment").items():
        pod = deployment["spec"]["template"]
        labels, spec = pod["metadata"]["labels"], pod["spec"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for each in (*spec["initContainers"], *spec["containers"]):
            (probe,) = [each[key]["httpGet"]["path"] for key in ("readinessProbe",) if key in each] or [None]
            port = each.get("ports", [{}])[0].get("containerPort")
            found.append(
                Container(
                    name=f"{name}/{each['name']}",
                    service=labels["app.kubernetes.io/name"],
                    command=tuple(each["command"]),
                    environment=_environment(each, given),
                    files=_files(each, volumes, given),
                    names=frozenset(_names(services, labels, port) if port else ()),
                    probe=probe,
                )
            )
    return found


def _content(manifest: Manifest) -> dict[str, bytes]:
    plain = {key: value.encode() for key, value in manifest.get("data", {}).items()}
    return plain if manifest["kind"] == "ConfigMap" else {key: base64.b64decode(value) for key, value in plain.items()}


def _environment(container: Manifest, given: Mapping[str, Mapping[str, bytes]]) -> dict[str, str]:
    environment: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        environment |= {key: value.decode() for key, value in given[source["configMapRef"]["name"]].items()}
    for variable in container.get("env", ()):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        value = given[reference["name"]][reference["key"]].decode() if reference else variable["value"]
        environment[variable["name"]] = value
    return environment


def _files(
    container: Manifest, volumes: Mapping[str, Manifest], given: Mapping[str, Mapping[str, bytes]]
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for mount in container.get("volumeMounts", ()):
        volume = volumes[mount["name"]]
        source = volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
        if source:
            files |= {f"{mount['mountPath']}/{key}": value for key, value in given[source].items()}
    return files


def _names(services: Mapping[str, Manifest], labels: Mapping[str, str], port: int) -> Iterator[str]:
    """The addresses of the Services that lead to a container: without a port where it is HTTP's own."""
    for name, service in services.items():
        if service["spec"]["selector"].items() <= labels.items():
            (entry,) = service["spec"]["ports"]
            assert entry["targetPort"] in (port, "http"), f"{name} leads to no port of its container"
            yield name if entry["port"] in (80, 443) else f"{name}:{entry['port']}"


def in_compose(file: Path, keys: Path) -> list[Container]:
    """Guanka's own containers of a compose file; `keys` is the folder that `guanka keys` wrote."""
    document = yaml.safe_load(file.read_text())
    volumes = volumes_of_keys(document, keys)
    found = []
    for name, each in document["services"].items():
        if not each["image"].startswith("guanka:") or each["command"][:2] != ["python", "-m"]:
            continue
        environment = dict(each.get("environment", {}))
        for env_file in each["env_file"]:
            lines = (keys / Path(env_file).name).read_text().splitlines()
            environment |= dict(line.split("=", 1) for line in lines)
        service = each["command"][2].split(".")[1]
        port = environment.get("HTTP_PORT")
        probe = None if port is None else "/readyz"
        command = tuple(each["command"])
        names = frozenset({f"{name}:{port}"} if port else ())
        mounts = dict(volume.split(":")[:2] for volume in each.get("volumes", ()))
        content = {f"{at}/{file}": held for volume, at in mounts.items() for file, held in volumes[volume].items()}
        found.append(Container(name, service, command, environment, content, names, probe))
    return found


def volumes_of_keys(document: Manifest, keys: Path) -> dict[str, dict[str, bytes]]:
    """By volume, what the compose file's container `keys` puts there: its own command is run, here."""
    container = document["services"]["keys"]
    (at, *_), *mounts = [volume.split(":")[1:] for volume in container["volumes"]]
    with tempfile.TemporaryDirectory() as folder:
        for (place,) in mounts:
            Path(folder + place).mkdir(parents=True)
        shell, option, script = container["command"]
        here = script.replace("$$", "$").replace("/keys/", f"{folder}/keys/").replace(at, str(keys))
        subprocess.run([shell, option, here], check=True)
        return {
            volume.split(":")[0]: {file.name: file.read_bytes() for file in Path(folder + place).iterdir()}
            for volume, (place,) in zip(container["volumes"][1:], mounts, strict=True)
        }


@dataclass(slots=True)
class Started:
    """Where the containers answer here, by name; `home` has the keys of their issuer's tokens.

    `environments` is what each container has, as it is on this machine.
    """

    home: Path
    ports: dict[str, int]
    by_https: frozenset[str]
    image: Image
    environments: dict[str, dict[str, str]]

    def guanka(self, process: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line inside a container, as `kubectl exec` or `docker compose exec` would start it."""
        (environment,) = [each for name, each in self.environments.items() if name.split("/")[0] == process]
        return self.image.run("guanka", *arguments, environment=environment)

    def address(self, service: str) -> str:
        """Of a service's api."""
        (name,) = [name for name in self.ports if name.split("/")[0] == f"{service}-api"]
        return f"{'https' if name in self.by_https else 'http'}://127.0.0.1:{self.ports[name]}"


@contextmanager
def started(
    containers: Sequence[Container], image: Image, *, folder: Path, home: Path, databases: Mapping[str, str], kafka: str
) -> Iterator[Started]:
    """Start them all from the image, as they are described, but for where things are on this machine.

    `databases` maps the address of each database in the manifests to the one here. Migrations are run first; then all
    start at once, and this goes on when each has answered its probe. At the end each must end well within its time.
    """
    serving = [container for container in containers if not container.is_migration]
    ports = dict(zip((each.name for each in serving), free_ports(len(serving)), strict=True))
    addresses = {name: f"127.0.0.1:{ports[each.name]}" for each in serving for name in each.names}
    here = {each.name: _here(each, image, folder, addresses, databases, kafka) for each in containers}
    _migrate([(each, here[each.name]) for each in containers if each.is_migration], image)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for each in serving:
            environment = here[each.name] | {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(ports[each.name])}
            with (folder / f"{each.name.replace('/', '-')}.log").open("wb") as log:
                running[each.name] = subprocess.Popen(
                    each.command, cwd=image.folder, env=environment, stdout=log, stderr=log
                )
        _await_ready(serving, ports, running, folder)
        by_https = frozenset(each.name for each in serving if each.is_https)
        environments = {
            each.name: here[each.name] | {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(ports[each.name])}
            for each in serving
        }
        yield Started(home, ports, by_https, image, environments)
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        ended = {name: process.wait(timeout=30) for name, process in running.items()}
        assert set(ended.values()) == {0}, ended
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _here(
    container: Container,
    image: Image,
    folder: Path,
    addresses: Mapping[str, str],
    databases: Mapping[str, str],
    kafka: str,
) -> dict[str, str]:
    """The container's environment, with its files, databases and neighbours where they are on this machine."""
    root = folder / container.name
    shutil.rmtree(root, ignore_errors=True)
    for path, content in container.files.items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_bytes(content)
    here = dict(image.environment)
    for name, value in container.environment.items():
        if value.startswith("/guanka/"):
            here[name] = str(image.folder / value.removeprefix("/guanka/"))
        elif value.startswith("/"):
            here[name] = str(root / value.lstrip("/"))
        elif name == "DATABASE_URL":
            here[name] = databases[value]
        elif value.startswith("kafka:"):
            here[name] = f"kafka:{kafka}"
        elif name == "STATUS_LIST_URI":
            here[name] = value
        else:
            here[name] = _HOST.sub(lambda found: addresses[found.group(0)], value)
    return here


def _migrate(containers: Sequence[tuple[Container, Mapping[str, str]]], image: Image) -> None:
    """All at once, as pods would."""
    running = [
        subprocess.Popen(each.command, cwd=image.folder, env=dict(environment), stderr=subprocess.PIPE, text=True)
        for each, environment in containers
    ]
    for process, (each, _) in zip(running, containers, strict=True):
        said = process.communicate(timeout=_READY_S)[1]
        assert process.returncode == 0, f"{each.name}: {said}"


def _probed(container: Container, port: int) -> httpx.Response:
    if not container.is_https:
        return httpx.get(f"http://127.0.0.1:{port}{container.probe}", timeout=20)
    trust = ssl.create_default_context(cadata=container.authority)
    return httpx.get(f"https://127.0.0.1:{port}{container.probe}", timeout=20, verify=trust)


def _await_ready(
    containers: Sequence[Container],
    ports: Mapping[str, int],
    running: Mapping[str, subprocess.Popen[bytes]],
    folder: Path,
) -> None:
    waiting = {container.name: container for container in containers}
    deadline = time.monotonic() + _READY_S
    answer: Any = None
    while waiting:
        for name, container in list(waiting.items()):
            log = folder / f"{name.replace('/', '-')}.log"
            assert running[name].poll() is None, f"{name} ended:\n{log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"{name} is not ready: {json.dumps(answer)}\n{log.read_text()[-3000:]}"
            try:
                found = _probed(container, ports[name])
            except httpx.TransportError:
                continue
            answer = found.json()
            if found.status_code == 200:
                del waiting[name]
        time.sleep(0.1)
