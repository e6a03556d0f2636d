"""Every contract of .importlinter holds, and each was seen to fail on an import that breaks it."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("chassis", "city", "services", "wire", "guanka")
_LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"

OFFENCES = (
    ("strangers", "services/console/offence.py", "import services.ledger"),
    ("chassis-knows-no-service", "chassis/offence.py", "import wire.codes.v1.events_pb2"),
    ("city-is-a-leaf", "city/offence.py", "import chassis.clock"),
    ("words-only-in-messages", "services/console/offence.py", "import wire.codes.v1.events_pb2"),
    ("words-only-in-messages", "services/checkpoints/api/messages.py", "import wire.checkpoints.v1.events_pb2"),
    ("words-only-in-messages", "services/checkpoints/messages_offence.py", "import wire.checkpoints.v1.events_pb2"),
    ("pure-domain", "services/ledger/domain/offence.py", "import fastapi"),
    ("fast-path", "services/checkpoints/fast_path.py", "import httpx"),
    ("layers-codes", "services/codes/domain/offence.py", "import services.codes.use_cases"),
    ("layers-checkpoints", "services/checkpoints/domain/offence.py", "import services.checkpoints.fast_path"),
    ("layers-checkpoints", "services/checkpoints/use_cases/offence.py", "import services.checkpoints.messages.topics"),
    ("layers-ledger", "services/ledger/domain/offence.py", "import services.ledger.messages"),
)
"""A contract, a file, and the import that breaks it there; of each contract at least one."""


def contracts() -> dict[str, str]:
    """The contracts' names by their identifiers."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {each.removeprefix(prefix): parser[each]["name"] for each in parser.sections() if each.startswith(prefix)}


def lint(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter in a tree.

    Python starts without `site`, hence without the editable installation: `services` is a namespace package, and the
    repository's own part of it would shadow the tree's.
    """
    command = [sys.executable, "-S", "-c", _LINT_IMPORTS, "--no-cache", "--no-logo", *arguments]
    environment = {"PYTHONPATH": os.pathsep.join([str(tree), sysconfig.get_path("purelib")]), "COLUMNS": "200"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of the repository, in a directory where it may be broken."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / ".importlinter", tree)
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "static", "pages", "migrations")
        shutil.copytree(ROOT / package, tree / package, ignore=ignored)
    return tree


@pytest.fixture
def offence(copied: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """One import too many, taken back afterwards."""
    _, file, statement = request.param
    path = copied / file
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{statement}\n")
    yield copied
    path.unlink()
    if before is not None:
        path.write_text(before)


def test_every_contract_holds() -> None:
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr


def test_for_every_contract_an_import_is_known_that_breaks_it() -> None:
    assert {contract for contract, _, _ in OFFENCES} == contracts().keys()


def test_every_contract_holds_in_the_copy(copied: Path) -> None:
    found = lint(copied)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("contract", "offence"),
    [pytest.param(each[0], each, id=f"{each[0]}-{each[1]}") for each in OFFENCES],
    indirect=["offence"],
)
def test_an_import_that_breaks_a_contract_is_found(contract: str, offence: Path) -> None:
    found = lint(offence, "--contract", contract)
    assert found.returncode == 1, found.stdout + found.stderr
    assert f"{contracts()[contract]} BROKEN" in " ".join(found.stdout.split())
