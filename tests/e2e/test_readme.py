"""The door says what is true: README's commands are run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.running import ROOT, Product

_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def blocks() -> list[str]:
    return _BLOCK.findall((ROOT / "README.md").read_text())


def test_every_make_verb_of_the_readme_exists() -> None:
    verbs = set(re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"run", "demo", "test", "help"} <= verbs
    for verb in sorted(verbs):
        assert subprocess.run(["make", "-n", verb], cwd=ROOT, capture_output=True, check=False).returncode == 0, verb


def test_the_commands_to_try_by_hand_work_as_written(product: Product) -> None:
    script = next(block for block in blocks() if "curl" in block)
    for service, offset in (("codes", 1), ("checkpoints", 2), ("ledger", 3)):
        script = script.replace(f":{8000 + offset}", ":" + product.address(service).rpartition(":")[2])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, **product.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"person_ref"' in done.stdout
    assert "ColourChanged" in done.stdout
    assert "everything is as it should be" in done.stdout


@pytest.mark.parametrize("path", re.findall(r"\]\((docs/pictures/[^)]+)\)", (ROOT / "README.md").read_text()))
def test_the_pictures_of_the_readme_are_there(path: str) -> None:
    assert (ROOT / path).stat().st_size > 1000
