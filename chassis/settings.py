"""Settings: read once from the environment, frozen, and refused at start with every problem listed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from chassis.doors import Network, networks
from chassis.reach import is_loopback, require_private_if_address, trusting


class SettingsError(Exception):
    """The environment does not hold what the service needs; the message lists every problem."""


def _known_event_log(url: str) -> str:
    if not url.startswith(("local:postgresql://", "kafka:")):
        raise ValueError("write local:postgresql://… or kafka:HOST:PORT[,HOST:PORT…]")
    return url


def _networks(listed: object) -> object:
    if not isinstance(listed, str):
        return listed
    try:
        return networks(listed)
    except ValueError:
        raise ValueError("write addresses or networks, with commas between them, such as 10.0.0.0/8") from None


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("write a zone of the IANA database, such as Asia/Shanghai") from None
    return name


_ROLE = r"^[a-z_][a-z0-9_]{0,62}$"


class DatabaseSettings(BaseModel):
    """What migrating needs. A field is read from the variable of its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(pattern=r"^postgresql://", description="the service's own PostgreSQL database")
    database_api_role: str | None = Field(
        default=None, pattern=_ROLE, description="`migrate` gives this role what the api needs, and nothing more"
    )
    database_worker_role: str | None = Field(
        default=None, pattern=_ROLE, description="`migrate` gives this role what the worker needs, and nothing more"
    )

    @model_validator(mode="after")
    def _has_both_roles(self) -> Self:
        if (self.database_api_role is None) != (self.database_worker_role is None):
            raise ValueError("DATABASE_API_ROLE and DATABASE_WORKER_ROLE come together")
        return self


class EventLogSettings(BaseModel):
    """Where the event log is, and how a service and the brokers know each other."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_log_url: Annotated[str, AfterValidator(_known_event_log)] = Field(
        description="local:postgresql://… (a database) or kafka:HOST:PORT[,…]"
    )
    event_log_ca_file: Path | None = Field(
        default=None, description="Kafka by TLS: the certificates (PEM) of the authority that the brokers' come from"
    )
    event_log_certificate_file: Path | None = Field(
        default=None, description="Kafka by TLS: the service's own certificate (PEM), by which the brokers know it"
    )
    event_log_key_file: Path | None = Field(default=None, description="the key (PEM) of that certificate")
    event_log_username: str | None = Field(
        default=None, min_length=1, description="Kafka by SASL/SCRAM: the name by which the brokers know the service"
    )
    event_log_password_file: Path | None = Field(default=None, description="the password of that name")
    event_log_sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how the password is proven"
    )

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        """Beyond this machine the log is read and written by TLS, by somebody whom the brokers know."""
        certificate = (self.event_log_certificate_file, self.event_log_key_file)
        password = (self.event_log_username, self.event_log_password_file)
        for pair, names in ((certificate, "EVENT_LOG_CERTIFICATE_FILE and EVENT_LOG_KEY_FILE"),
                            (password, "EVENT_LOG_USERNAME and EVENT_LOG_PASSWORD_FILE")):  # fmt: skip
            if (pair[0] is None) != (pair[1] is None):
                raise ValueError(f"{names} come together")
        knows_us = certificate[0] is not None or password[0] is not None
        if knows_us and self.event_log_ca_file is None:
            raise ValueError("EVENT_LOG_CA_FILE is not set: without it nobody knows whether it is the broker that asks")
        if self.is_log_elsewhere and not (knows_us and self.event_log_ca_file):
            raise ValueError(
                "EVENT_LOG_URL names brokers on another machine. Set EVENT_LOG_CA_FILE (TLS), and either "
                "EVENT_LOG_USERNAME with EVENT_LOG_PASSWORD_FILE (SASL/SCRAM) or EVENT_LOG_CERTIFICATE_FILE with "
                "EVENT_LOG_KEY_FILE (mTLS)"
            )
        return self

    @property
    def is_log_elsewhere(self) -> bool:
        """It is Kafka, and not all brokers are on this machine."""
        adapter, _, address = self.event_log_url.partition(":")
        hosts = [broker.rpartition(":")[0] for broker in address.split(",")]
        return adapter == "kafka" and not all(map(is_loopback, hosts))


class ServiceSettings(DatabaseSettings, EventLogSettings):
    """What every service needs."""

    http_host: str = Field(default="127.0.0.1", description="the address to listen on")
    http_port: int = Field(ge=0, le=65535, description="the port to listen on; 0 takes a free one")
    auth_issuer: str = Field(min_length=1, description="`iss` that a bearer token must carry")
    auth_audience: str = Field(default="guanka", min_length=1, description="`aud` that a bearer token must carry")
    auth_jwks: Annotated[str, AfterValidator(require_private_if_address)] = Field(
        min_length=1, description="the issuer's public keys (JWKS): a file, or an https address"
    )
    tls_ca_file: Path | None = Field(
        default=None, description="authorities (PEM) whose https servers are believed beside those the system knows"
    )
    http_certificate_file: Path | None = Field(
        default=None, description="serve by https with this certificate (PEM); by http without it"
    )
    http_key_file: Path | None = Field(default=None, description="the key (PEM) of that certificate")
    otlp_endpoint: str | None = Field(default=None, description="where traces go (OTLP over HTTP); none when unset")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="how much is logged")
    city_timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="Asia/Shanghai", description="the zone that defines a day"
    )
    area_file: Path = Field(description="the area tree: CSV with code, name, level, parent")
    history_days: int = Field(
        default=28, ge=10, le=366, description="days that a scan is kept at the most: table, log and dead letters"
    )
    connections_per_address_max: int = Field(
        default=4_000, ge=1, le=1_000_000, description="connections that one address may have open to a process"
    )
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = Field(
        default=(), description="networks whose connections are not counted, with commas: `10.0.0.0/8`"
    )
    body_bytes_max: int = Field(default=1_048_576, ge=1024, description="the largest request body")
    bodies_bytes_max: int = Field(
        default=67_108_864,
        ge=1024,
        description="bytes of large request bodies that one process holds at a time, a quarter of them of one caller",
    )
    database_connections_max: int = Field(default=10, ge=2, le=200, description="connections per process")
    handler_attempts_max: int = Field(
        default=3, ge=1, description="times a message is tried alone before it is put aside"
    )

    @model_validator(mode="after")
    def _serves_by_both(self) -> Self:
        if (self.http_certificate_file is None) != (self.http_key_file is None):
            raise ValueError("HTTP_CERTIFICATE_FILE and HTTP_KEY_FILE come together")
        return self


S = TypeVar("S", bound=BaseModel)


def trust_of(settings: ServiceSettings) -> ssl.SSLContext:
    """How the service's own clients know their https servers. Raises `SettingsError`."""
    try:
        return trusting(settings.tls_ca_file)
    except OSError as error:
        raise SettingsError(f"TLS_CA_FILE: {settings.tls_ca_file} cannot be used ({type(error).__name__})") from None


def read_settings(kind: type[S], environ: Mapping[str, str]) -> S:
    """The settings of `kind` from the environment. Raises `SettingsError` that names every variable at fault."""
    given = {name: environ[name.upper()] for name in kind.model_fields if environ.get(name.upper(), "") != ""}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise SettingsError(_listing(kind, error)) from None


def _listing(kind: type[BaseModel], error: ValidationError) -> str:
    lines = [f"The settings are not complete ({error.error_count()} problems):"]
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        field = kind.model_fields.get(name)
        meaning = f" ({field.description})" if field and field.description else ""
        said = "is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        lines.append(f"  {name.upper()}: {said}{meaning}" if name else f"  {said}")
    return "\n".join(lines)


_KEY_BYTES = 32


def read_hex_key(path: Path, variable: str) -> bytes:
    """The key in the file that `variable` names. Raises `SettingsError`."""
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{variable}: {path} cannot be read ({type(error).__name__})") from None
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{variable}: {path} does not hold {2 * _KEY_BYTES} hex characters")
    return key
