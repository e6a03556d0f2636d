"""What deploy/Containerfile puts into the image, built into a folder without a container engine.

The last stage's COPY, RUN and ENV are carried out as they stand, with a virtual environment in place of the base
image's Python: what is not copied or not in the lock is not there, and a container that needs it does not start.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
HOME = Path("/guanka")
"""Where the image has it (WORKDIR)."""


@dataclass(frozen=True, slots=True)
class Image:
    """`folder` stands for `/guanka`; `environment` is what the image sets, `PATH` with its commands and its Python."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """A command of the image's own, with nothing but the image's environment and what is given."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def instructions() -> list[tuple[str, str]]:
    """(word, rest) of the last stage, after its FROM."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if line and not line.startswith("#")]
    parted = [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]
    last = max(number for number, (word, _) in enumerate(parted) if word == "FROM")
    return parted[last + 1 :]


def build_image(folder: Path) -> Image:
    """Carry the instructions out in an empty folder. Raises CalledProcessError when a command fails."""
    path = f"{_environment_of_lock()}/bin:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder)}
    for word, rest in instructions():
        if word == "COPY":
            _copy(shlex.split(rest), folder)
        elif word == "ENV":
            environment |= {
                name: value.replace(str(HOME), str(folder)).replace("$PATH", environment["PATH"])
                for name, value in (pair.split("=", 1) for pair in shlex.split(rest))
                if name != "PIP_NO_CACHE_DIR"
            }
        elif word == "RUN":
            subprocess.run(["sh", "-c", rest], cwd=folder, env=environment, check=True)
        else:
            assert word in ("WORKDIR", "USER", "EXPOSE", "CMD"), f"{word}: teach tests/deploy/image.py what it does"
    return Image(folder, environment)


def _copy(words: list[str], folder: Path) -> None:
    """From the clone; what a stage before this one made (`--from=browser`) was made there by `npm ci` too."""
    sources, target = [word for word in words[:-1] if not word.startswith("--")], words[-1]
    for source in sources:
        there = ROOT / source.removeprefix(f"{HOME}/")
        is_into = target.endswith("/") and not there.is_dir()
        here = folder / target / there.name if is_into else folder / target
        if there.is_dir():
            shutil.copytree(there, here, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
        else:
            here.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(there, here)


def _environment_of_lock() -> Path:
    """A virtual environment for the lock as it is now; the next run finds what this one installed."""
    lock = hashlib.sha256((ROOT / "requirements" / "runtime.txt").read_bytes()).hexdigest()[:12]
    folder = ROOT / "build" / f"image-{lock}-{sys.version_info.major}.{sys.version_info.minor}"
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    return folder
