"""What the ledger needs from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from chassis.settings import ServiceSettings, SettingsError
from services.ledger.definition_files import PACKAGED

_CITY_KEY_BYTES = 32


class LedgerSettings(ServiceSettings):
    city_key_file: Path = Field(description="the city's key that turns a document into a person_ref: 64 hex characters")
    data_keys_file: Path = Field(description='keys of names and phones: JSON {"current": id, "keys": {id: 64 hex}}')
    definitions_dir: Path = Field(default=PACKAGED, description="the ledgers' definitions, one YAML file a version")


def read_city_key(path: Path) -> bytes:
    """Raises `SettingsError`."""
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise SettingsError(f"CITY_KEY_FILE: {path} cannot be read ({type(error).__name__})") from None
    if len(key) != _CITY_KEY_BYTES:
        raise SettingsError(f"CITY_KEY_FILE: {path} does not hold 64 hex characters")
    return key
