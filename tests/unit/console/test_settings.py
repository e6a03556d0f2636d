"""The console's settings and command."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.settings import SettingsError, read_settings
from services.console.main import main
from services.console.settings import ConsoleSettings

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://localhost/console",
    "EVENT_LOG_URL": "local:postgresql://localhost/eventlog",
    "HTTP_PORT": "8000",
    "AUTH_ISSUER": "test",
    "AUTH_JWKS": "jwks.json",
    "AREA_FILE": "data/guangzhou/areas.csv",
}


def test_without_addresses_no_process_is_watched() -> None:
    assert read_settings(ConsoleSettings, ENVIRONMENT).workers_json == {}


def test_addresses_are_read_from_json() -> None:
    given = ENVIRONMENT | {"WORKERS_JSON": '{"codes-worker": "http://127.0.0.1:9001/"}'}
    assert read_settings(ConsoleSettings, given).workers_json == {"codes-worker": "http://127.0.0.1:9001"}


@pytest.mark.parametrize("wrong", ["codes-worker=9001", '["http://a"]', '{"codes-worker": "ftp://a"}'])
def test_addresses_that_are_not_that_are_refused_by_name(wrong: str) -> None:
    with pytest.raises(SettingsError, match="WORKERS_JSON"):
        read_settings(ConsoleSettings, ENVIRONMENT | {"WORKERS_JSON": wrong})


def test_there_is_nothing_to_republish(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["republish"]) == 0
    assert "nothing to republish" in capsys.readouterr().out


def test_a_bad_environment_is_named_and_ends_with_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert main(["api"]) == 2
    assert "DATABASE_URL" in capsys.readouterr().err
    assert main(["fly"]) == 2
