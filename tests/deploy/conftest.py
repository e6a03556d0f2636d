"""Keys as `guanka keys` writes them, the overlays built with them, and the image as a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from guanka.deployment_keys import write_deployment_keys
from guanka.home import Home
from tests.deploy.containers import DEPLOY, Manifest, build
from tests.deploy.image import Image, build_image


@pytest.fixture(scope="session")
def issuing_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory, issuing_home: Home) -> Path:
    """A copy of deploy/k8s in which `guanka keys` has written the keys."""
    copy = tmp_path_factory.mktemp("deploy") / "k8s"
    shutil.copytree(DEPLOY / "k8s", copy, ignore=shutil.ignore_patterns("keys"))
    write_deployment_keys(issuing_home, copy / "overlays" / "local" / "keys")
    return copy


@pytest.fixture(scope="session")
def local(kubernetes: Path) -> list[Manifest]:
    return build(kubernetes / "overlays" / "local")


@pytest.fixture(scope="session")
def production(kubernetes: Path) -> list[Manifest]:
    return build(kubernetes / "overlays" / "production")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_image(tmp_path_factory.mktemp("image"))
