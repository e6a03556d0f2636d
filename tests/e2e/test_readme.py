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


def test_the_two_commands_are_run_as_written(product: Product) -> None:
    """`make run` is what `product` runs; `make demo` plays a small morning with the readme's own setting."""
    two = blocks()[0].splitlines()
    assert [line.split("#")[0].strip() for line in two] == ["make run", "make demo"]
    smaller = re.search(r"`(make demo PEOPLE=)\d+`", (ROOT / "README.md").read_text())
    assert smaller
    done = subprocess.run(
        ["bash", "-c", f"{smaller[1]}300 | cat"],
        cwd=ROOT,
        env={**os.environ, **product.environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "✓ no scan lost" in done.stdout, done.stdout + done.stderr
    assert "written to build/reports/demo.json" in done.stdout


def test_the_commands_to_try_by_hand_work_as_written(product: Product) -> None:
    script = next(block for block in blocks() if "curl" in block)
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
    assert '"colour":"green"' in done.stdout, "declared"
    assert "▀▄" in done.stdout, "the QR"
    assert "放行 pass" in done.stdout, "the gate"
    assert "ColourChanged" in done.stdout
    assert "ScanRecorded" in done.stdout
    assert "everything is as it should be" in done.stdout


@pytest.mark.parametrize("path", re.findall(r"\]\((docs/pictures/[^)]+)\)", (ROOT / "README.md").read_text()))
def test_the_pictures_of_the_readme_are_there(path: str) -> None:
    assert (ROOT / path).stat().st_size > 1000
