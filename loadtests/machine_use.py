"""What CPU each part of the product has used: on two cores the load, the service and the database share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psutil

PARTS = ("checkpoints_api", "checkpoints_worker", "codes_api", "other_services", "event_log_broker", "postgres")


def cpu_seconds(processes: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """CPU seconds since its start of each part, of the `processes` of run.json."""
    used = dict.fromkeys(PARTS, 0.0)
    for name, entry in processes.items():
        used[_part_of(name)] += _of_process(int(entry["pid"]))
    return used


def machine_seconds() -> float:
    """CPU seconds that everything on this machine has used since it was started."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times[:8]) - idle)


def _part_of(name: str) -> str:
    plain = name.replace("-", "_")
    if plain in PARTS:
        return plain
    return "event_log_broker" if name.startswith("kafka") else "other_services"


def _of_process(pid: int) -> float:
    """With children: PostgreSQL's backends, also those that have ended (their parent has counted them)."""
    try:
        process = psutil.Process(pid)
        own = process.cpu_times()
        living = sum(_plain(child) for child in process.children(recursive=True))
    except psutil.NoSuchProcess:
        return 0.0
    return float(own.user + own.system + own.children_user + own.children_system + living)


def _plain(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
