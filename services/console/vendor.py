"""Copies the browser libraries from node_modules to where the pages load them; `make setup` runs it after `npm ci`.

They are never committed: package-lock.json names their exact content, and their licences are copied with them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENDOR = Path(__file__).resolve().parent / "static" / "vendor"

FILES = {
    "uplot/dist/uPlot.esm.js": "uplot/uPlot.esm.js",
    "uplot/dist/uPlot.min.css": "uplot/uPlot.min.css",
    "uplot/LICENSE": "uplot/LICENSE",
}


def copy_libraries(node_modules: Path, vendor: Path) -> list[Path]:
    """The files as copied. Raises FileNotFoundError for the first that is not there, before anything is copied."""
    for source in FILES:
        if not (node_modules / source).is_file():
            raise FileNotFoundError(node_modules / source)
    copied = []
    for source, target in FILES.items():
        (vendor / target).parent.mkdir(parents=True, exist_ok=True)
        copied.append(Path(shutil.copyfile(node_modules / source, vendor / target)))
    return copied


def main() -> int:
    try:
        copied = copy_libraries(ROOT / "node_modules", VENDOR)
    except FileNotFoundError as missing:
        print(f"{Path(str(missing)).name} is missing in node_modules: run `npm ci` first.", file=sys.stderr)
        return 1
    print(f"copied {len(copied)} files of the browser libraries to {VENDOR.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
