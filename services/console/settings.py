"""What the console needs to know from the environment."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, Json

from chassis.settings import ServiceSettings


def _http_addresses(addresses: dict[str, str]) -> dict[str, str]:
    for name, address in addresses.items():
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"{name}: write http://HOST:PORT")
    return {name: address.rstrip("/") for name, address in addresses.items()}


class ConsoleSettings(ServiceSettings):
    workers_json: Annotated[Json[dict[str, str]], AfterValidator(_http_addresses)] = Field(
        default={},
        description='probe addresses of the processes to show, such as {"codes-worker": "http://127.0.0.1:9001"}',
    )
    screens_max: int = Field(
        default=1000, ge=1, le=20_000, description="live streams of bearers of an area that one api process serves"
    )
    screens_public_max: int = Field(
        default=1000, ge=0, le=20_000, description="live streams that one api process serves to everybody else besides"
    )
    screens_per_caller_max: int = Field(
        default=500,
        ge=1,
        le=20_000,
        description="live streams that one address without a token, or one subject with one, may have open to a "
        "process; the addresses of `TRUSTED_PROXIES` are not counted",
    )

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.city_timezone)
