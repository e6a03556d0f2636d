"""Settings: read once from the environment, frozen, and refused at start with every problem listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from chassis.doors import Network, networks


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


class DatabaseSettings(BaseModel):
    """What migrating needs. A field is read from the variable of its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(pattern=r"^postgresql://", description="the service's own PostgreSQL database")


class ServiceSettings(DatabaseSettings):
    """What every service needs."""

    event_log_url: Annotated[str, AfterValidator(_known_event_log)] = Field(
        description="local:postgresql://… (a database) or kafka:HOST:PORT[,…]"
    )
    http_host: str = Field(default="127.0.0.1", description="the address to listen on")
    http_port: int = Field(ge=0, le=65535, description="the port to listen on; 0 takes a free one")
    auth_issuer: str = Field(min_length=1, description="`iss` that a bearer token must carry")
    auth_audience: str = Field(default="guanka", min_length=1, description="`aud` that a bearer token must carry")
    auth_jwks: str = Field(min_length=1, description="the issuer's public keys: a file or an http(s) address (JWKS)")
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
    database_connections_max: int = Field(default=10, ge=2, le=200, description="connections per process")
    handler_attempts_max: int = Field(
        default=3, ge=1, description="times a message is tried alone before it is put aside"
    )


S = TypeVar("S", bound=BaseModel)


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
        said = "is not set" if problem["type"] == "missing" else problem["msg"]
        lines.append(f"  {name.upper()}: {said}{meaning}")
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
