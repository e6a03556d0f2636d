"""Reports of `demo`, `bench` and `load`: printed for people, and written as one JSON object for programs."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from guanka.home import ROOT, write_whole


def write_report(name: str, started_at: datetime, figures: Mapping[str, float], checks: Mapping[str, bool]) -> Path:
    """Write `build/reports/<name>.json` as the HTTP contract describes it; its path."""
    folder = ROOT / "build" / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "name": name,
        "commit": commit(),
        "machine": machine(),
        "started_at": started_at.isoformat(),
        "figures": dict(figures),
        "checks": dict(checks),
    }
    path = folder / f"{name}.json"
    write_whole(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path


def commit() -> str:
    """The commit of the working tree, with `+` where it holds changes; `unknown` outside a repository."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def machine() -> str:
    """Processor, cores and memory, as far as the machine tells."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory_gb:.0f} GB, Python {platform.python_version()}"


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` (0–1) of the values do not exceed; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
