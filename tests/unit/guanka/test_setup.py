"""What the first `make run` says while it brings the Python packages."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]


def install() -> ModuleType:
    """It is a script beside the locks and no package: nothing is installed when it runs."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "requirements" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_progress_is_told_every_few_seconds_and_is_no_wall() -> None:
    lines = [line for n in range(120) for line in (f"Collecting package-{n}==1.0", "  Downloading …")]
    lines.append("Installing collected packages: package-0, package-1")
    said = list(install().told(lines, 120, itertools.count(0.0, 0.25)))
    assert 8 <= len(said) <= 15
    assert "of 120 packages" in said[0]
    assert "unpacking" in said[-1]


def test_the_script_needs_nothing_but_the_standard_library() -> None:
    import ast
    import sys

    tree = ast.parse((ROOT / "requirements" / "install.py").read_text())
    named = [node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)]
    named += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names
