"""What stands in the files that settings name; one that cannot be used is a `SettingsError` that names its setting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chassis.database import Database
from chassis.problems import first_line
from chassis.settings import SettingsError
from city.areas import AreaFileMalformed, AreaTree, read_areas
from services.checkpoints.clinics import read_clinics
from services.checkpoints.domain.clinics import FeverClinics
from services.checkpoints.domain.errors import (
    PolicyIncomplete,
    PolicyNotSigned,
    PolicyPublishedOtherwise,
    ReuseRuleIncomplete,
    TracingRuleIncomplete,
)
from services.checkpoints.domain.reuse import ReuseRule, read_reuse_rule
from services.checkpoints.domain.tracing import TracingRule, read_tracing_rule
from services.checkpoints.positions import Positions, read_positions
from services.checkpoints.publication import Publication
from services.checkpoints.sealing import Sealer, read_sealer
from services.checkpoints.settings import CheckpointsSettings
from services.checkpoints.signed import POLICY, Keys, read_key_file
from services.checkpoints.signed_policies import read_signed_policy


def policy_keys(settings: CheckpointsSettings) -> tuple[dict[str, Any], Keys]:
    """(the JWKS as it is published, the keys by their kid)."""
    try:
        return read_key_file(settings.policy_keys_file, POLICY)
    except (OSError, ValueError) as error:
        raise SettingsError(f"POLICY_KEYS_FILE: {error}") from None


def shelve_policy(settings: CheckpointsSettings, database: Database, keys: Keys) -> None:
    """Publish the policy of the settings, unless it is published already."""
    try:
        signed = read_signed_policy(settings.policy_file.read_text(encoding="utf-8").strip(), keys)
        with database.transaction() as tx:
            Publication(keys).shelve(tx, signed, published_by="POLICY_FILE")
    except (OSError, ValueError) as error:
        raise SettingsError(f"POLICY_FILE: {error}") from None
    except (PolicyIncomplete, PolicyNotSigned, PolicyPublishedOtherwise) as error:
        raise SettingsError(f"POLICY_FILE: {str(error) or first_line(type(error))}") from None


def tracing_rule(settings: CheckpointsSettings) -> TracingRule:
    try:
        return read_tracing_rule(_json(settings.tracing_rule_file, "TRACING_RULE_FILE"))
    except TracingRuleIncomplete as error:
        raise SettingsError(f"TRACING_RULE_FILE: {error}") from None


def reuse_rule(settings: CheckpointsSettings) -> ReuseRule:
    try:
        return read_reuse_rule(_json(settings.reuse_rule_file, "REUSE_RULE_FILE"))
    except ReuseRuleIncomplete as error:
        raise SettingsError(f"REUSE_RULE_FILE: {error}") from None


def positions(settings: CheckpointsSettings) -> Positions:
    try:
        return read_positions(settings.positions_file)
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(f"POSITIONS_FILE: {type(error).__name__}: {error}") from None


def areas(settings: CheckpointsSettings) -> AreaTree:
    try:
        return read_areas(settings.area_file)
    except AreaFileMalformed as error:
        raise SettingsError(f"AREA_FILE: {error}") from None


def sealer(settings: CheckpointsSettings) -> Sealer:
    try:
        return read_sealer(settings.data_keys_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"DATA_KEYS_FILE: {error}") from None


def clinics(settings: CheckpointsSettings) -> FeverClinics:
    try:
        return read_clinics(settings.fever_clinic_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"FEVER_CLINIC_FILE: {error}") from None


def _json(file: Path, variable: str) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{variable}: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{variable}: an object is needed")
    return document
