"""The settings of codes, beside those that every service has."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field

from chassis.settings import ServiceSettings, SettingsError
from city.areas import AreaFileMalformed, AreaTree, read_areas
from services.codes.domain.errors import InvalidRuleSet
from services.codes.domain.rules import RuleSet, read_rule_set

PACKAGED_RULE_SET = Path(__file__).parent / "rule_sets" / "hangzhou-2020.json"


class CodesSettings(ServiceSettings):
    city_key_file: Path = Field(description="64 hexadecimal characters: the key that makes person references")
    data_keys_file: Path = Field(description="JSON {current, keys: {kid: 64 hex}}: seals names, numbers, phones")
    signing_keys_file: Path = Field(description="JSON: the keys of passes, printed passes and status lists")
    status_list_uri: str = Field(
        max_length=50,
        pattern=r"^https?://[^\s\"\\{}?#]+[^/\s\"\\{}?#]$",
        description="the address that passes name, without the list's number; its path is served; fixed at first start",
    )
    appeal_url: str = Field(
        default="tel:12345", pattern=r"^(https?://|tel:|mailto:)\S+$", description="where to appeal: the city hotline"
    )
    city_root: str = Field(default="4401", pattern=r"^\d{2,6}$", description="the root of the area tree")
    rule_set_file: Path = Field(default=PACKAGED_RULE_SET, description="the rule set in force")
    heartbeat_s: float = Field(default=1.0, gt=0, le=60, description="seconds between heartbeats of the standings")
    review_s: float = Field(default=1.0, gt=0, le=3600, description="seconds between looks for reviews that are due")


def read_rule_set_file(path: Path) -> RuleSet:
    """Raises `SettingsError` that names every problem."""
    try:
        return read_rule_set(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise SettingsError(f"RULE_SET_FILE: cannot be read ({type(error).__name__})") from None
    except InvalidRuleSet as error:
        raise SettingsError(f"RULE_SET_FILE: {error}") from None


def read_area_file(path: Path) -> AreaTree:
    """Raises `SettingsError`."""
    try:
        return read_areas(path)
    except AreaFileMalformed as error:
        raise SettingsError(f"AREA_FILE: {error}") from None
