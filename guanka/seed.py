"""The reference data of the city, told to the running services over HTTP like anybody's."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

_FILES = ("checkpoints.csv", "venues.csv")


def read_checkpoints(folder: Path) -> list[dict[str, str]]:
    """The rows of `checkpoints.csv` and `venues.csv`, as strings by column."""
    rows: list[dict[str, str]] = []
    for name in _FILES:
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    return rows


def seed_checkpoints(address: str, token: str, folder: Path) -> int:
    """Register every checkpoint of the folder; repeating it changes nothing. How many there are."""
    rows = read_checkpoints(folder)
    with (
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client,
        ThreadPoolExecutor(4) as pool,
    ):

        def register(row: dict[str, str]) -> None:
            body = {key: row[key] for key in ("checkpoint_id", "kind", "area")}
            client.post(
                "/v1/checkpoints", json={**body, "name": row["name_zh"], "venue": row["station_id"] or row["name_zh"]}
            ).raise_for_status()

        list(pool.map(register, rows))
    return len(rows)
