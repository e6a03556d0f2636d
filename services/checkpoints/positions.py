"""Where gates stand, as far as it is known: a metro checkpoint's venue is its station, whose position is public."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from services.checkpoints.domain.reuse import Place
from services.checkpoints.domain.scans import Checkpoint


class Positions:
    """`by_venue` has (longitude, latitude) in degrees."""

    def __init__(self, by_venue: Mapping[str, tuple[float, float]]) -> None:
        self._by_venue = by_venue

    def of(self, checkpoint: Checkpoint) -> Place:
        lng, lat = self._by_venue.get(checkpoint.venue, (None, None))
        return Place(checkpoint.checkpoint_id, checkpoint.venue, checkpoint.district, lng, lat)


def read_positions(file: Path | None) -> Positions:
    """From a CSV with station_id, lng, lat; none without a file. Raises OSError, ValueError, KeyError."""
    if file is None:
        return Positions({})
    with file.open(encoding="utf-8", newline="") as rows:
        known = [row for row in csv.DictReader(rows) if row["lng"] and row["lat"]]
    return Positions({row["station_id"]: (float(row["lng"]), float(row["lat"])) for row in known})
