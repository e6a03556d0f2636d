"""What a scanner gives: a line with a pass, or a JSON object with what else was seen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from chassis.ids import uuid7
from services.checkpoints.attempts import AttemptReader, FieldError
from services.checkpoints.domain.scans import Attempt

_CREDENTIAL = frozenset(["pass", "document", "plate"])
_SEEN = frozenset(["temperature_c", "mask", "direction"])
_PEOPLE, _AT = "people", "scanned_at"
_READER = AttemptReader(bytes(32))
"""Reads as strictly as the server. The references it makes of documents mean nothing: there is no city key here."""


class LineRefused(Exception):
    """The line is not a scan; the message names the field."""


def read_line(line: str, checkpoint_id: str, now: datetime) -> tuple[dict[str, Any], Attempt]:
    """(the body of the scan, the same as an attempt). Raises `LineRefused`."""
    seen = _object(line) if line.startswith("{") else {"pass": line}
    unknown = set(seen) - _CREDENTIAL - _SEEN - {_PEOPLE, _AT}
    if unknown:
        raise LineRefused(f"{min(unknown)}: is not known here")
    at = seen.get(_AT, now.isoformat())
    try:
        moment = datetime.fromisoformat(at).astimezone(now.tzinfo)
    except (ValueError, TypeError):
        raise LineRefused("scanned_at: must be an RFC 3339 time with offset") from None
    body: dict[str, Any] = {
        "scan_id": str(uuid7(moment)),
        "checkpoint_id": checkpoint_id,
        "credential": {name: seen[name] for name in _CREDENTIAL if seen.get(name) is not None},
        _AT: at,
        **{name: seen[name] for name in _SEEN if seen.get(name) is not None},
    }
    if seen.get(_PEOPLE) is not None:
        body[_PEOPLE] = _people(seen[_PEOPLE], moment)
    try:
        return body, _READER.read(body, now)
    except FieldError as error:
        raise LineRefused(str(error)) from None


def _object(line: str) -> dict[str, Any]:
    try:
        return dict(orjson.loads(line))
    except ValueError:
        raise LineRefused("this is neither a pass nor JSON") from None


def _people(given: object, at: datetime) -> list[dict[str, Any]]:
    if not isinstance(given, list):
        raise LineRefused("people: must be a list of credentials")
    return [{"scan_id": str(uuid7(at)), "credential": each} for each in given]
