"""What is read: a pass or a typed document, or of a trusted device a JSON object with what else was seen.

(Forms: forms.py.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from datetime import date, datetime
from typing import Any

import orjson

from chassis.ids import uuid7
from city.documents import DOCUMENT_TYPES, check_character, read_document
from services.checkpoints.attempts import AttemptReader, FieldError, read_time
from services.checkpoints.domain.scans import Attempt

_CREDENTIAL = frozenset(["pass", "document", "plate"])
_SEEN_OF_EACH = frozenset(["temperature_c", "mask"])
_SEEN = _SEEN_OF_EACH | {"direction"}
_PEOPLE, _AT = "people", "scanned_at"
READER = AttemptReader(bytes(32), is_at_gate=True)
"""Reads as strictly as the server. The references it makes of documents mean nothing: there is no city key here."""


class LineRefused(Exception):
    """The line is not a scan; the message names the field."""


_OLD_NUMBER_DIGITS = 15
_CARD_NUMBER = re.compile(r"[0-9]{17}[0-9Xx]|[0-9]{15}")
_NUMBER = re.compile(r"[A-Za-z]{0,3}[0-9]{6,20}[A-Za-z0-9]?")
NO_IDENTITY_NUMBER = (
    "this is no number of an identity card (18 characters, the last of which checks the others, or the 15 digits of an "
    "old one); of another document give TYPE COUNTRY NUMBER, such as passport FR 12AB34567"
)
_THREE_PARTS = "give TYPE COUNTRY NUMBER, such as passport FR 12AB34567"


def said_in(line: str) -> dict[str, Any]:
    """What a line shows that is no JSON: a pass, or a document that a card reader or a guard has typed.

    Raises `LineRefused` for a number that is not read right: whoever holds a document has forged no pass.
    """
    if _NUMBER.fullmatch(line) or line.partition(" ")[0] in DOCUMENT_TYPES:
        return {"document": read_typed(line)}
    return {"pass": line}


def read_typed(text: str) -> dict[str, str]:
    """A document as it is typed: the number of a resident identity card, or `TYPE COUNTRY NUMBER`.

    Raises `LineRefused`.
    """
    kind, *rest = text.split()
    if not rest:
        if not _is_identity_number(kind):
            raise LineRefused(NO_IDENTITY_NUMBER if _CARD_NUMBER.fullmatch(kind) else f"document: {_THREE_PARTS}")
        return {"type": "resident_id", "number": kind}
    if len(rest) == 1:
        raise LineRefused(_THREE_PARTS)
    return {"type": kind, "country": rest[0], "number": "".join(rest[1:])}


def _is_identity_number(text: str) -> bool:
    """GB 11643: 17 digits and a check character, or the 15 digits from before 1999 with a date of birth in them."""
    try:
        number = read_document("resident_id", "CN", text).number
        if len(text) == _OLD_NUMBER_DIGITS:
            date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")
    except ValueError:
        return False
    return len(number) == 18 and number[:17].isdigit() and number[17] == check_character(number[:17])


def seen_in(line: str) -> dict[str, Any]:
    """What a line of a trusted device says, by name. Raises `LineRefused`."""
    if not line.startswith("{"):
        return said_in(line)
    try:
        return dict(orjson.loads(line))
    except ValueError:
        raise LineRefused("this is neither a pass nor JSON") from None


def read_line(line: str, checkpoint_id: str, now: datetime) -> tuple[dict[str, Any], Attempt]:
    """As `read_scan` of what the line says."""
    return read_scan(seen_in(line), checkpoint_id, now)


def read_scan(seen: dict[str, Any], checkpoint_id: str, now: datetime) -> tuple[dict[str, Any], Attempt]:
    """(the body of the scan, the same as an attempt). Raises `LineRefused`."""
    _require_known(seen, _CREDENTIAL | _SEEN | {_PEOPLE, _AT})
    at, moment = moment_of(seen.get(_AT), _AT, now)
    body: dict[str, Any] = {
        "scan_id": str(uuid7(moment)),
        "checkpoint_id": checkpoint_id,
        "credential": _given(seen, _CREDENTIAL),
        _AT: at,
        **_given(seen, _SEEN),
    }
    if seen.get(_PEOPLE) is not None:
        body[_PEOPLE] = _people(seen[_PEOPLE], moment)
    try:
        return body, READER.read(body, now)
    except FieldError as error:
        raise LineRefused(str(error)) from None


def moment_of(given: object, name: str, now: datetime) -> tuple[object, datetime]:
    """(a time as it was given, as a moment); `now` where none was given. Raises `LineRefused`."""
    at = now.isoformat() if given is None else given
    try:
        return at, read_time(at, name, now)
    except FieldError as error:
        raise LineRefused(str(error)) from None


def _people(given: object, at: datetime) -> list[dict[str, Any]]:
    if not isinstance(given, list):
        raise LineRefused("people: must be a list, of an object for each")
    return [_person(each, at, f"{_PEOPLE}.{n}") for n, each in enumerate(given)]


def _person(seen: object, at: datetime, field: str) -> dict[str, Any]:
    if not isinstance(seen, dict):
        raise LineRefused(f"{field}: must be an object")
    _require_known(seen, _CREDENTIAL | _SEEN_OF_EACH, f"{field}.")
    return {"scan_id": str(uuid7(at)), "credential": _given(seen, _CREDENTIAL), **_given(seen, _SEEN_OF_EACH)}


def _given(seen: Mapping[str, Any], names: Set[str]) -> dict[str, Any]:
    return {name: seen[name] for name in names if seen.get(name) is not None}


def _require_known(seen: Mapping[str, Any], names: Set[str], at: str = "") -> None:
    if unknown := seen.keys() - names:
        raise LineRefused(f"{at}{min(unknown)}: is not known here")
