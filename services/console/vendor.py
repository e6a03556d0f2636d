"""Copies the browser libraries from node_modules to where the pages load them; `make setup` runs it after `npm ci`.

They are never committed: package-lock.json names their exact content, and their licences are copied with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from chassis.vendoring import copy_or_say

VENDOR = Path(__file__).resolve().parent / "static" / "vendor"

FILES = {
    "uplot/dist/uPlot.esm.js": "uplot/uPlot.esm.js",
    "uplot/dist/uPlot.min.css": "uplot/uPlot.min.css",
    "uplot/LICENSE": "uplot/LICENSE",
}

if __name__ == "__main__":
    sys.exit(copy_or_say(FILES, VENDOR))
