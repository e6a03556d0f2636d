"""What CONTRIBUTING.md asks of names and of `domain/`, as far as a machine can see it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("chassis", "city", "services", "guanka", "loadtests")
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "processor", "misc"}
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "monotonic"),
    ("time", "sleep"),
    ("random", "random"),
    ("uuid", "uuid4"),
    ("secrets", "token_bytes"),
}
INPUT_AND_OUTPUT = {"open", "print", "input"}


def modules(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def domains(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    return ((path, tree) for path, tree in modules("services") if set(folders) & set(path.parts))


def test_no_module_is_called_what_says_nothing() -> None:
    assert [str(path) for path, _ in modules(*PACKAGES) if VAGUE & {*path.parts, path.stem}] == []


def test_no_class_is_called_a_service() -> None:
    classes = [
        f"{path}: {node.name}"
        for path, tree in modules(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Service", "Manager", "Helper", "Processor"))
    ]
    assert classes == []


def test_what_callers_write_is_read_by_the_types_of_the_chassis() -> None:
    """Pydantic's own take more than RFC 3339 has for a time, and everything for a text."""
    own = [
        f"{path}: {alias.name}"
        for path, tree in modules("services", "guanka")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "pydantic"
        for alias in node.names
        if alias.name in ("AwareDatetime", "NaiveDatetime", "PastDatetime", "FutureDatetime")
    ]
    assert own == []
    bodies = [
        f"{path}: {node.name}.{ast.unparse(field.target)}"
        for path, tree in modules("services")
        if "api" in path.parts
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and re.search("(In|Form|Body|Query)$", node.name)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and re.search(r"\b(datetime|time|date)\b", ast.unparse(field.annotation))
    ]
    assert bodies == []


def test_a_module_opens_with_a_sentence_on_what_it_is_for() -> None:
    silent = [str(path) for path, tree in modules(*PACKAGES) if tree.body and not ast.get_docstring(tree)]
    assert [path for path in silent if not path.endswith("env.py")] == []


def test_every_service_has_the_same_files() -> None:
    expected = {"domain", "store", "api", "messages", "settings", "main", "migrations"}
    for folder in sorted(path.parent for path in (ROOT / "services").glob("*/__init__.py")):
        assert expected - {path.stem for path in folder.iterdir()} == set(), folder.name


def test_a_domain_reads_no_clock_and_touches_no_file() -> None:
    found = []
    for path, tree in domains("domain", "certlogic"):
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)) if (owner, name) in CLOCKS:
                    found.append(f"{path}:{node.lineno} {owner}.{name}")
                case ast.Call(func=ast.Name(id=name)) if name in INPUT_AND_OUTPUT:
                    found.append(f"{path}:{node.lineno} {name}")
    assert found == []


def test_what_a_domain_holds_is_frozen() -> None:
    thawed = []
    for path, tree in domains("domain"):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                written = [ast.unparse(each) for each in node.decorator_list]
                thawed += [
                    f"{path}: {node.name}"
                    for each in written
                    if each.startswith("dataclass") and not ("frozen=True" in each and "slots=True" in each)
                ]
    assert thawed == []
