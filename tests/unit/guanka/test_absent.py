"""Every command says one clear word where there is no product, and none ends in a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import typer.main
from typer.core import TyperGroup
from typer.testing import CliRunner

from guanka.home import Home
from guanka.keys import SHIPPED_POLICY, make_keys
from guanka.main import app
from guanka.ports import free_ports

ARGUMENTS = {
    "tail": ["--no-follow"],
    "republish": ["codes"],
    "gate": ["--checkpoint", str(uuid4())],
    "dead-letters replay": ["codes", "1"],
    "policy publish": [str(SHIPPED_POLICY)],
    "token": ["operator"],
    "restored": ["codes"],
    "resume": ["codes"],
}
"""What a command needs to be called at all."""

WITHOUT_A_PRODUCT = {"up", "kafka up", "fetch-kafka", "keys", "policy check"}
"""They start one, or look at none."""
ENDS_WELL = {"stop": "not running here"}
"""Where nothing runs, there is nothing to stop."""


def commands() -> Iterator[str]:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for name, command in root.commands.items():
        if isinstance(command, TyperGroup):
            yield from (f"{name} {each}" for each in command.commands)
        else:
            yield name


COMMANDS = sorted(set(commands()) - WITHOUT_A_PRODUCT)


def no_home(home: Path) -> None:
    """GUANKA_HOME names a folder that is not there."""


def a_file(home: Path) -> None:
    home.write_text("not a folder")


def never_started(home: Path) -> None:
    home.mkdir()


def a_broken_run_file(home: Path) -> None:
    home.mkdir()
    make_keys(Home(home))
    (home / "run.json").write_text('{"processes": {')


def a_run_file_of_something_else(home: Path) -> None:
    home.mkdir()
    make_keys(Home(home))
    (home / "run.json").write_text("[]")


def a_killed_product(home: Path) -> None:
    """What `guanka up` leaves where it was killed: a run.json, and nobody who answers."""
    home.mkdir()
    make_keys(Home(home))
    services, ports = ("codes", "checkpoints", "ledger", "console"), free_ports(5)
    nowhere = f"postgresql://nobody@127.0.0.1:{ports[4]}/none?connect_timeout=2"
    processes = {f"{name}-api": {"pid": 2**22, "port": port} for name, port in zip(services, ports, strict=False)}
    document = {"processes": processes, "databases": dict.fromkeys(services, nowhere), "events": "local"}
    (home / "run.json").write_text(json.dumps(document))
    for name in services:
        settings = {"DATABASE_URL": nowhere, "EVENT_LOG_URL": f"local:{nowhere}", "HTTP_PORT": "0"}
        (home / f"{name}.env.json").write_text(json.dumps(settings))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "state", [no_home, a_file, never_started, a_broken_run_file, a_run_file_of_something_else, a_killed_product]
)
def test_a_command_outside_a_running_product_says_what_to_do(
    command: str,
    state: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    state(home)
    monkeypatch.setenv("GUANKA_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "300")
    arguments = [*command.split(), *ARGUMENTS.get(command, [])]
    done = CliRunner().invoke(app, arguments)
    said = done.output + capfd.readouterr().err  # a service's own command writes there
    assert done.exception is None or isinstance(done.exception, SystemExit), (command, repr(done.exception))
    assert "Traceback" not in said
    if command in ENDS_WELL and state is not a_file:
        assert (done.exit_code, ENDS_WELL[command] in done.output) == (0, True)
    elif command == "token" and state not in (no_home, a_file, never_started):
        assert done.exit_code == 0, "a token needs the home's keys, and no running product"
    elif not (command == "gate" and state is a_killed_product):
        assert done.exit_code != 0
        words = ("make run", "GUANKA_HOME", "does not answer", "start Guanka", "cannot be used now", "is not set")
        assert any(word in said for word in words), said
