"""Fever clinics: where a person with a fever is handed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_DISTRICT_DIGITS = 6


@dataclass(frozen=True, slots=True)
class FeverClinic:
    """`area` is what it serves: a district, or a smaller node."""

    clinic_id: str
    name_zh: str
    name_en: str
    area: str


@dataclass(frozen=True, slots=True)
class FeverClinics:
    listed: Sequence[FeverClinic]

    def find(self, clinic_id: str) -> FeverClinic | None:
        return next((clinic for clinic in self.listed if clinic.clinic_id == clinic_id), None)

    def nearest(self, area: str) -> FeverClinic | None:
        """The one that serves the smallest node around an area; where none does, one of its district."""
        around = [clinic for clinic in self.listed if area.startswith(clinic.area)]
        beside = [clinic for clinic in self.listed if clinic.area[:_DISTRICT_DIGITS] == area[:_DISTRICT_DIGITS]]
        return max(around, key=lambda clinic: len(clinic.area), default=None) or next(iter(beside), None)
