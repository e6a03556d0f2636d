"""What the ledger needs from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from chassis.settings import ServiceSettings, SettingsError
from city.areas import AreaFileMalformed, AreaTree, read_areas
from services.ledger.definition_files import PACKAGED


class LedgerSettings(ServiceSettings):
    city_key_file: Path = Field(description="the city's key that turns a document into a person_ref: 64 hex characters")
    data_keys_file: Path = Field(description='keys of names and phones: JSON {"current": id, "keys": {id: 64 hex}}')
    definitions_dir: Path = Field(default=PACKAGED, description="the ledgers' definitions, one YAML file a version")


def read_area_file(path: Path) -> AreaTree:
    """Raises `SettingsError`."""
    try:
        return read_areas(path)
    except AreaFileMalformed as error:
        raise SettingsError(f"AREA_FILE: {error}") from None
