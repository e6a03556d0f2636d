"""Identity documents, written in the one way that gives the same person the same reference in every service (D4)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from uuid import UUID

from chassis.pseudonym import keyed_uuid

DOCUMENT_TYPES = ("resident_id", "passport", "travel_permit", "residence_permit")
_ALPHA_3 = {"CHN": "CN", "HKG": "HK", "MAC": "MO", "TWN": "TW"}
_NUMBER_CHARACTERS_MIN, _NUMBER_CHARACTERS_MAX = 3, 32


@dataclass(frozen=True, slots=True)
class Document:
    """`country` and `number` are normalised."""

    type: str
    country: str
    number: str


def normalised_country(written: str) -> str:
    """ISO 3166-1 alpha-2. Raises ValueError."""
    country = unicodedata.normalize("NFKC", written).strip().upper()
    country = _ALPHA_3.get(country, country)
    if not re.fullmatch("[A-Z]{2}", country):
        raise ValueError("write the country as two letters (ISO 3166-1 alpha-2), such as CN")
    return country


def normalised_number(written: str) -> str:
    """NFKC, capitals, and nothing but A–Z and 0–9. Raises ValueError; there is no check of a checksum."""
    number = re.sub("[^A-Z0-9]", "", unicodedata.normalize("NFKC", written).upper())
    if not _NUMBER_CHARACTERS_MIN <= len(number) <= _NUMBER_CHARACTERS_MAX:
        raise ValueError(
            f"a document number has {_NUMBER_CHARACTERS_MIN} to {_NUMBER_CHARACTERS_MAX} letters A–Z and digits"
        )
    return number


def person_ref_of(city_key: bytes, document: Document) -> UUID:
    return keyed_uuid(city_key, document.type, document.country, document.number)
