"""The browser libraries: copied with their licence, never downloaded by a page, never committed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from chassis.docs_page.vendor import FILES as DOCS_FILES
from chassis.vendoring import copy_libraries
from services.console.vendor import FILES

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("files", [FILES, DOCS_FILES], ids=["the pages", "/docs"])
def test_every_library_comes_with_its_licence(tmp_path: Path, files: dict[str, str]) -> None:
    for source in files:
        (tmp_path / "from" / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / source).write_text(source)
    copied = copy_libraries(files, tmp_path / "from", tmp_path / "to")
    assert {each.relative_to(tmp_path / "to").as_posix() for each in copied} == set(files.values())
    libraries = {Path(target).parent for target in files.values()}
    assert all((tmp_path / "to" / library / "LICENSE").is_file() for library in libraries)


def test_what_is_missing_is_named_and_nothing_is_copied(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="uPlot"):
        copy_libraries(FILES, tmp_path, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_the_lock_file_holds_contents_and_no_address() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all("integrity" in package and "resolved" not in package for package in packages.values())
    told = [
        json.dumps({name: each for name, each in package.items() if name != "funding"}) for package in packages.values()
    ]
    assert not [each for each in told if "://" in each], "whom a package asks to pay is no address to load from"
    wanted = json.loads((ROOT / "package.json").read_text())
    locked = {name.removeprefix("node_modules/"): package["version"] for name, package in packages.items()}
    assert (wanted["dependencies"] | wanted["devDependencies"]).items() <= locked.items()


def test_no_library_is_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "services/console/static/vendor", "chassis/docs_page/vendor", "node_modules"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert listed.stdout == ""
