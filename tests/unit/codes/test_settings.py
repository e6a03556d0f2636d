"""A bad environment ends the process at once, with everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.settings import SettingsError, read_settings
from services.codes.main import main
from services.codes.settings import CodesSettings

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://x/codes",
    "EVENT_LOG_URL": "local:postgresql://x/eventlog",
    "HTTP_PORT": "0",
    "AUTH_ISSUER": "issuer",
    "AUTH_JWKS": "jwks.json",
    "AREA_FILE": "areas.csv",
    "CITY_KEY_FILE": "city.key",
    "DATA_KEYS_FILE": "data.json",
    "SIGNING_KEYS_FILE": "signing.json",
    "STATUS_LIST_URI": "https://guanka.example/s",
}


def test_an_empty_environment_names_every_variable_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    assert main(["api"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ENVIRONMENT)


def test_a_file_that_is_not_there_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in (ENVIRONMENT | {"SIGNING_KEYS_FILE": str(tmp_path / "none.json")}).items():
        monkeypatch.setenv(name, value)
    assert main(["api"]) == 2
    assert "SIGNING_KEYS_FILE" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["serve"], ["replay"], ["replay", "x"], ["api", "worker"]])
def test_an_unknown_command_shows_the_known_ones(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "republish" in capsys.readouterr().err


@pytest.mark.parametrize("uri", ["ftp://x/s", "https://guanka.example/s/", "https://x/" + "s" * 41, "https://x /s"])
def test_an_address_that_passes_cannot_carry_is_refused(uri: str) -> None:
    with pytest.raises(SettingsError, match="STATUS_LIST_URI"):
        read_settings(CodesSettings, ENVIRONMENT | {"STATUS_LIST_URI": uri})
