"""Identity documents, brought to the one form from which every service derives the same person_ref."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from services.checkpoints.domain.errors import DocumentMalformed

TYPES = frozenset(["resident_id", "passport", "travel_permit", "residence_permit"])
_ALPHA_3 = {"CHN": "CN", "HKG": "HK", "MAC": "MO", "TWN": "TW"}
_COUNTRY = re.compile(r"[A-Z]{2}")
_DROPPED = re.compile(r"[^A-Z0-9]")
_TEXT_MAX = 64


@dataclass(frozen=True, slots=True)
class Document:
    """A document in normal form; `parts` are what its person_ref is made of."""

    type: str
    country: str
    number: str

    def parts(self) -> tuple[str, str, str]:
        return self.type, self.country, self.number


def normalised(kind: object, country: object, number: object) -> Document:
    """The document in normal form; `country` None means CN. Raises `DocumentMalformed` that names the field."""
    if not isinstance(kind, str) or kind not in TYPES:
        raise DocumentMalformed("type", f"must be one of {', '.join(sorted(TYPES))}")
    return Document(kind, _country("CN" if country is None else country), _number(number))


def _country(country: object) -> str:
    if not isinstance(country, str) or len(country) > _TEXT_MAX:
        raise DocumentMalformed("country", "must be an ISO 3166-1 code such as CN")
    code = unicodedata.normalize("NFKC", country).strip().upper()
    code = _ALPHA_3.get(code, code)
    if not _COUNTRY.fullmatch(code):
        raise DocumentMalformed("country", "must be an ISO 3166-1 code such as CN")
    return code


def _number(number: object) -> str:
    if not isinstance(number, str) or len(number) > _TEXT_MAX:
        raise DocumentMalformed("number", f"must be a string of at most {_TEXT_MAX} characters")
    plain = _DROPPED.sub("", unicodedata.normalize("NFKC", number).upper())
    if not 3 <= len(plain) <= 32:
        raise DocumentMalformed("number", "must have 3 to 32 letters and digits")
    return plain
