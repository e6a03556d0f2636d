"""Browser libraries: copied from node_modules to where pages load them, with their licences, and never committed.

package-lock.json names their exact content.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def copy_libraries(files: Mapping[str, str], node_modules: Path, vendor: Path) -> list[Path]:
    """The files as copied. Raises FileNotFoundError for the first that is not there, before anything is copied."""
    for source in files:
        if not (node_modules / source).is_file():
            raise FileNotFoundError(node_modules / source)
    copied = []
    for source, target in files.items():
        (vendor / target).parent.mkdir(parents=True, exist_ok=True)
        copied.append(Path(shutil.copyfile(node_modules / source, vendor / target)))
    return copied


def copy_or_say(files: Mapping[str, str], vendor: Path) -> int:
    """The exit status."""
    try:
        copied = copy_libraries(files, ROOT / "node_modules", vendor)
    except FileNotFoundError as missing:
        print(f"{Path(str(missing)).name} is missing in node_modules: run `npm ci` first.", file=sys.stderr)
        return 1
    print(f"copied {len(copied)} files of the browser libraries to {vendor.relative_to(ROOT)}")
    return 0
