from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chassis.commands import Commands
from chassis.settings import SettingsError
from services.checkpoints import main as checkpoints
from services.codes import main as codes
from services.console import main as console
from services.ledger import main as ledger

SERVICES = {"codes": codes, "checkpoints": checkpoints, "ledger": ledger, "console": console}


def commands(
    *, api: Callable[[], int] = lambda: 0, replay: Callable[[int], int] = lambda dead_letter_id: 0
) -> Commands:
    return Commands("codes", {"api": api}, replay, Path("nowhere"))


def test_a_command_gives_the_exit_status() -> None:
    assert commands(api=lambda: 7).run(["api"]) == 7


def test_a_dead_letter_is_replayed_by_its_number() -> None:
    asked: list[int] = []
    assert commands(replay=lambda number: asked.append(number) or 1).run(["replay", "12"]) == 1
    assert asked == [12]


@pytest.mark.parametrize("arguments", [[], ["apy"], ["api", "now"], ["replay"], ["replay", "twelve"], ["migrate", "x"]])
def test_what_is_no_command_is_answered_with_those_that_are(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands().run(arguments) == 2
    assert capsys.readouterr().err == "usage: python -m services.codes.main api|migrate|replay ID\n"


def test_settings_that_cannot_be_used_are_said_without_a_stack(capsys: pytest.CaptureFixture[str]) -> None:
    def api() -> int:
        raise SettingsError("HTTP_PORT: is not set")

    assert commands(api=api).run(["api"]) == 2
    assert capsys.readouterr().err == "HTTP_PORT: is not set\n"


@pytest.mark.parametrize("service", SERVICES)
def test_migrating_asks_for_the_database_and_nothing_else(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert SERVICES[service].main(["migrate"]) == 2
    said = capsys.readouterr().err
    assert "DATABASE_URL: is not set" in said
    assert "(1 problems)" in said
