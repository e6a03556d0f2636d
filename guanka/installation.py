"""The product that a command looks at: the one that runs in a home, or the pod in which the command runs.

In a pod, and in a container of Compose, there is one service's environment and no `run.json`: `GUANKA_SERVICE` says
whose. There a command reaches that service's database, the event log, and the processes that `WORKERS_JSON` names.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chassis.reach import is_loopback, trusting
from chassis.settings import EventLogSettings, read_settings
from guanka.home import Home, NotRunning

SERVICES = ("codes", "checkpoints", "ledger", "console")


class OutOfReach(Exception):
    """What was asked for cannot be reached from here; the message says from where."""


@dataclass(frozen=True, slots=True)
class Installation:
    """`addresses` maps a process such as `codes-api` to its base address, `settings` a service to its environment.

    `pids` and `databases` (name to URL, with the event log's) are of the embedded product; `pod` is None there.
    """

    addresses: Mapping[str, str]
    settings: Mapping[str, Mapping[str, str]]
    databases: Mapping[str, str]
    pids: Mapping[str, int]
    pod: str | None = None

    def settings_of(self, service: str) -> Mapping[str, str]:
        """The environment with which the service runs. Raises `OutOfReach`."""
        if service not in self.settings:
            raise OutOfReach(
                f"This is a pod of {self.pod}; run this command in one of {service}: "
                f"kubectl -n guanka exec deploy/{service}-worker -- guanka …"
            )
        return self.settings[service]

    def address_of(self, service: str) -> str:
        """Of the service's api. Raises `OutOfReach`."""
        if self.pod == service:
            return next(iter(self.addresses.values()))
        if f"{service}-api" not in self.addresses:
            raise OutOfReach(f"A pod of {self.pod} knows no address of {service}; name it with --address.")
        return self.addresses[f"{service}-api"]

    @property
    def event_log(self) -> EventLogSettings:
        """How the event log is reached from here. Raises `SettingsError`."""
        return read_settings(EventLogSettings, next(iter(self.settings.values())))


def installation_of(home: Home, environ: Mapping[str, str]) -> Installation:
    """The pod where `GUANKA_SERVICE` is set, else the product that runs in the home. Raises `NotRunning`."""
    service = environ.get("GUANKA_SERVICE")
    return _embedded(home) if not service else _pod(service, environ)


def _embedded(home: Home) -> Installation:
    running = home.running()
    processes = running["processes"]
    settings = {service: service_environment(home, service) for service in SERVICES}
    addresses = {name: f"http://127.0.0.1:{each['port']}" for name, each in processes.items() if _is_ours(name)}
    pids = {name: int(each["pid"]) for name, each in processes.items()}
    return Installation(addresses, settings, running["databases"], pids)


def service_environment(home: Home, service: str) -> dict[str, str]:
    """The settings that a service was last started with. Raises `NotRunning`."""
    try:
        environment: dict[str, str] = json.loads((home.path / f"{service}.env.json").read_text())
    except FileNotFoundError:
        raise NotRunning(f"Guanka was never started in {home.path}; start it with `make run`.") from None
    return environment


def _pod(service: str, settings: Mapping[str, str]) -> Installation:
    if service not in SERVICES:
        raise NotRunning(f"GUANKA_SERVICE: {service!r} is none of {', '.join(SERVICES)}")
    missing = [name for name in ("DATABASE_URL", "EVENT_LOG_URL", "HTTP_PORT") if not settings.get(name)]
    if missing:
        raise NotRunning(f"GUANKA_SERVICE says that this is a pod of {service}, but {', '.join(missing)} is not set.")
    scheme = "https" if settings.get("HTTP_CERTIFICATE_FILE") else "http"
    addresses = {f"this {service} process": f"{scheme}://{_host(settings)}:{settings['HTTP_PORT']}"}
    addresses |= json.loads(settings.get("WORKERS_JSON") or "{}")
    return Installation(addresses, {service: settings}, {service: settings["DATABASE_URL"]}, {}, pod=service)


def _host(settings: Mapping[str, str]) -> str:
    host = settings.get("HTTP_HOST") or "127.0.0.1"
    return "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 (where all are listened to, one is asked)


def trust_in(address: str) -> ssl.SSLContext:
    """How a command knows an https server: by the system's authorities and TLS_CA_FILE.

    On this machine there is nobody between; and a certificate names the service, not this machine. Raises OSError.
    """
    ca_file = os.environ.get("TLS_CA_FILE")
    trust = trusting(Path(ca_file) if ca_file else None)
    if is_loopback(urlsplit(address).hostname or ""):
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust


def _is_ours(process: str) -> bool:
    return process.endswith(("-api", "-worker"))


def bearer_in(file: Path) -> str:
    """The token that a file holds. Raises `OutOfReach`."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise OutOfReach(f"{file}: the token cannot be read ({type(error).__name__}).") from None
