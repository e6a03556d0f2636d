"""The list of fever clinics as a file: CSV with clinic_id, name_zh, name_en and area."""

from __future__ import annotations

import csv
from pathlib import Path

from services.checkpoints.domain.clinics import FeverClinic, FeverClinics

_COLUMNS = ("clinic_id", "name_zh", "name_en", "area")


def read_clinics(file: Path) -> FeverClinics:
    """Raises OSError, or ValueError when a line has no such column."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    try:
        return FeverClinics([FeverClinic(*(row[column] for column in _COLUMNS)) for row in rows])
    except KeyError as error:
        raise ValueError(f"the column {error} is missing") from None
