"""`wire/` is what `proto/` says: generated again, it must not differ."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def differences() -> list[str]:
    """The files of `wire/` that are not what the generator makes of `proto/` now."""
    sources = sorted((ROOT / "proto").glob("*/v1/events.proto"))
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"--python_out={folder}", f"--pyi_out={folder}"]
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", *outputs, *map(str, sources)]
        subprocess.run(command, check=True)
        made = {path.relative_to(folder): path.read_text() for path in Path(folder).rglob("*.py*")}
    kept = {path.relative_to(ROOT / "wire"): path.read_text() for path in (ROOT / "wire").rglob("*_pb2.py*")}
    return sorted(str(name) for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))


if __name__ == "__main__":
    if found := differences():
        sys.exit(f"wire/ is not generated from proto/ as it stands; run `make proto`: {', '.join(found)}")
