"""The reference data of the city, told to the running services over HTTP like anybody's."""

from __future__ import annotations

import csv
from pathlib import Path

import httpx

from chassis.reach import require_private
from guanka.installation import trust_in

_FILES = ("checkpoints.csv", "venues.csv")
_AT_ONCE = 500


def read_checkpoints(folder: Path) -> list[dict[str, str]]:
    """The rows of `checkpoints.csv` and `venues.csv`, as strings by column."""
    rows: list[dict[str, str]] = []
    for name in _FILES:
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    return rows


def seed_checkpoints(address: str, token: str, folder: Path) -> int:
    """Register every checkpoint of the folder; repeating it changes nothing. How many there are.

    Raises ValueError for an address to which the token would go in the open.
    """
    require_private(address)
    places = [
        {
            "checkpoint_id": row["checkpoint_id"],
            "kind": row["kind"],
            "area": row["area"],
            "name": row["name_zh"],
            "venue": row["station_id"] or row["name_zh"],
        }
        for row in read_checkpoints(folder)
    ]
    with httpx.Client(
        base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60, verify=trust_in(address)
    ) as client:
        for start in range(0, len(places), _AT_ONCE):
            body = {"checkpoints": places[start : start + _AT_ONCE]}
            client.post("/v1/checkpoints/batch", json=body).raise_for_status()
    return len(places)
