"""Identity documents: one form in all services, so that one document is one person however it was written."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from uuid import UUID

from chassis.pseudonym import keyed_uuid

DOCUMENT_TYPES = ("resident_id", "passport", "travel_permit", "residence_permit")
NUMBER_CHARACTERS_MIN, NUMBER_CHARACTERS_MAX = 3, 32
WRITTEN_CHARACTERS_MAX = 64
"""How long a number may be as it is written, separators included."""

_ALPHA_2 = {"CHN": "CN", "HKG": "HK", "MAC": "MO", "TWN": "TW"}
_COUNTRY = re.compile("[A-Z]{2}")
_OLD_IDENTITY_NUMBER = re.compile("[0-9]{15}")
_HYPHENS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_DOTS = ".\u00b7\u2024\u3002\uff0e\uff61"
_DROPPED = frozenset(_HYPHENS + _DOTS)


@dataclass(frozen=True, slots=True)
class Document:
    """A document in normal form."""

    type: str
    country: str
    number: str


class DocumentMalformed(ValueError):
    """The document's type, country or number is not well formed; `field` names which, never its value."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def read_document(type_: object, country: object, number: object) -> Document:
    """The document in normal form; without a country (None) it is China's. Raises `DocumentMalformed`.

    A resident identity number of 15 digits is read as the number of 18 that replaced it: one person.
    """
    if not isinstance(type_, str) or type_ not in DOCUMENT_TYPES:
        raise DocumentMalformed("type", f"must be one of {', '.join(DOCUMENT_TYPES)}")
    code, plain = read_country("CN" if country is None else country), read_number(number)
    if (type_, code) == ("resident_id", "CN") and _OLD_IDENTITY_NUMBER.fullmatch(plain):
        plain = renewed_number(plain)
    return Document(type_, code, plain)


def read_country(written: object) -> str:
    """ISO 3166-1 alpha-2, capitals. Raises `DocumentMalformed`."""
    said = "must be the two letters of ISO 3166-1, such as CN"
    if not isinstance(written, str) or len(written) > WRITTEN_CHARACTERS_MAX:
        raise DocumentMalformed("country", said)
    code = "".join(_plain(character) or "?" for character in written.strip())
    code = _ALPHA_2.get(code, code)
    if not _COUNTRY.fullmatch(code):
        raise DocumentMalformed("country", said)
    return code


def read_number(written: object) -> str:
    """Capitals A–Z and digits. Raises `DocumentMalformed`; there is no check of a checksum.

    Spaces, hyphens and dots are left out. A character counts as the letter or digit that Unicode calls its
    compatibility form (NFKC), such as a full-width one. Anything else is refused: a letter that is left out would make
    one person of two.
    """
    if not isinstance(written, str) or len(written) > WRITTEN_CHARACTERS_MAX:
        raise DocumentMalformed("number", f"must be a text of at most {WRITTEN_CHARACTERS_MAX} characters")
    if written.isascii() and written.isalnum():
        plain = written.upper()
    else:
        plain = "".join(_plain(each) or _unwritable(each) for each in written if not is_separator(each))
    if not NUMBER_CHARACTERS_MIN <= len(plain) <= NUMBER_CHARACTERS_MAX:
        raise DocumentMalformed(
            "number", f"must have {NUMBER_CHARACTERS_MIN} to {NUMBER_CHARACTERS_MAX} letters A–Z and digits"
        )
    return plain


def renewed_number(old: str) -> str:
    """The 18 characters (GB 11643-1999) of an identity number of 15 digits: the birth year's century is 19."""
    digits = f"{old[:6]}19{old[6:]}"
    return digits + check_character(digits)


def check_character(digits: str) -> str:
    """The last character of an identity number, from the 17 digits before it: ISO 7064 MOD 11-2."""
    rest = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(digits)) % 11
    return "10X98765432"[rest]


def person_ref_of(city_key: bytes, document: Document) -> UUID:
    return keyed_uuid(city_key, document.type, document.country, document.number)


def _plain(character: str) -> str | None:
    """A–Z or 0–9; None for a character that has no such form. One sign for several letters (`ﬁ`, `ß`) has none."""
    folded = unicodedata.normalize("NFKC", character)
    return folded.upper() if len(folded) == 1 and folded.isascii() and folded.isalnum() else None


def is_separator(character: str) -> bool:
    return character in _DROPPED or unicodedata.category(character) == "Zs"


def _unwritable(_character: str) -> str:
    raise DocumentMalformed(
        "number",
        "must be written in the letters A–Z and digits, as in the machine-readable lines of the document; "
        "spaces, hyphens and dots may stand between",
    )
