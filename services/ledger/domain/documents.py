"""Identity documents: one person's document always gives the same `person_ref`, however it was typed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from uuid import UUID

from chassis.pseudonym import keyed_uuid
from services.ledger.domain.errors import InvalidRequest

TYPES = ("resident_id", "passport", "travel_permit", "residence_permit")
_ALPHA_2 = {"CHN": "CN", "HKG": "HK", "MAC": "MO", "TWN": "TW"}


@dataclass(frozen=True, slots=True)
class Document:
    """A document in its normal form."""

    type: str
    country: str
    number: str


def normal_document(type_: str, country: str | None, number: str) -> Document:
    """The normal form. Raises `InvalidRequest` that names the field, never its value."""
    if type_ not in TYPES:
        raise InvalidRequest(("person.document.type", f"write one of {', '.join(TYPES)}"))
    code = unicodedata.normalize("NFKC", country or "CN").strip().upper()
    code = _ALPHA_2.get(code, code)
    if not re.fullmatch("[A-Z]{2}", code):
        raise InvalidRequest(("person.document.country", "write the two letters of ISO 3166-1, such as CN"))
    normal = re.sub("[^A-Z0-9]", "", unicodedata.normalize("NFKC", number).upper())
    if not 3 <= len(normal) <= 32:
        raise InvalidRequest(("person.document.number", "write 3 to 32 letters and digits"))
    return Document(type_, code, normal)


def person_ref_of(city_key: bytes, document: Document) -> UUID:
    return keyed_uuid(city_key, document.type, document.country, document.number)
