"""What a gate sends, read by hand and strictly: the scan path has no time for a model, and no patience for guesses.

The schema in api/scan_schemas.py documents the same; tests/contract/test_scan_contract.py holds the two together.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import unicodedata
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from chassis.date_times import read_date_time
from chassis.pseudonym import keyed_uuid
from city import documents
from city.documents import Document, DocumentMalformed, person_ref_of
from services.checkpoints.domain.clocks import is_off
from services.checkpoints.domain.scans import Attempt, Decision, OfflineDecision, Refusal

AGE_MAX, AHEAD_MAX = timedelta(days=7), timedelta(minutes=5)
ONLINE_AHEAD_MAX = timedelta(days=1)
"""A clock that is off by more makes ids of a day on which no scans are kept."""
ID_APART_MAX_MS = 5 * 60_000
TEMPERATURE_C_MIN, TEMPERATURE_C_MAX = 25.0, 45.0
PASS_CHARACTERS_MAX = 4096
PEOPLE_MAX = 60
REVISION_MAX = 2**53

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_POLICY_VERSION = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_SCAN = frozenset(
    ["scan_id", "checkpoint_id", "credential", "people", "direction", "temperature_c", "mask", "scanned_at", "offline"]
)
_PERSON = frozenset(["scan_id", "credential", "temperature_c", "mask"])
_CREDENTIAL = frozenset(["pass", "document", "plate"])
_DOCUMENT = frozenset(["type", "country", "number"])
_OFFLINE = frozenset(["decision", "refusal", "policy_version", "list_revision"])
_DECISIONS = frozenset(Decision)
_REFUSALS = frozenset(Refusal)


class FieldError(Exception):
    """A field is not what it must be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class AttemptReader:
    """Reads attempts; documents and plates become references here and go no further.

    `is_at_gate`: a gate reads what it will upload, so its own time stands as in an offline scan.
    """

    def __init__(self, city_key: bytes, *, is_at_gate: bool = False) -> None:
        self._city_key, self._is_at_gate = city_key, is_at_gate

    def read(self, body: object, now: datetime, at: str = "") -> Attempt:
        """The attempt in a parsed body; `at` is put before the names of fields. Raises `FieldError`."""
        given = _members(body, _SCAN, at)
        offline = _offline(given.get("offline"), at + "offline")
        is_offline = offline is not None or self._is_at_gate
        scanned_at = _scanned_at(given.get("scanned_at"), at + "scanned_at", now, is_offline=is_offline)
        scan_id = read_scan_id(given.get("scan_id"), at + "scan_id", scanned_at)
        checkpoint_id = _checkpoint_id(given.get("checkpoint_id"), at + "checkpoint_id")
        token, person_ref, vehicle_ref = self._credential(given.get("credential"), at + "credential")
        direction = _direction(given.get("direction"), at + "direction")
        temperature_c = _temperature(given.get("temperature_c"), at + "temperature_c")
        mask = _mask(given.get("mask"), at + "mask")
        shared = (checkpoint_id, scanned_at, direction, offline)
        people: tuple[Attempt, ...] = ()
        if given.get("people") is not None:
            people = self._people(given["people"], shared, vehicle_ref, at + "people")
            if any(person.scan_id == scan_id for person in people):
                raise FieldError(at + "people", "each record needs a scan_id of its own")
        own, seen = (token, person_ref, vehicle_ref, temperature_c), () if mask is None else (mask,)
        content = (scan_id, *shared, *own, [person.digest.hex() for person in people], *seen)
        online = None
        if offline is not None:
            before = (scan_id, *shared[:3], None, *own, [(person.digest_online or b"").hex() for person in people])
            online = _digest((*before, *seen))
        attempt = Attempt(
            scan_id=scan_id,
            checkpoint_id=checkpoint_id,
            scanned_at=scanned_at,
            digest=_digest(content),
            token=token,
            person_ref=person_ref,
            vehicle_ref=vehicle_ref,
            direction=direction,
            temperature_c=temperature_c,
            mask=mask,
            offline=offline,
            people=people,
            digest_online=online,
        )
        return attempt if is_offline or not is_off(scanned_at, now) else _dated(attempt, now)

    def read_visit(
        self, scan_id: object, token: object, scanned_at: object, checkpoint_id: UUID, now: datetime
    ) -> Attempt:
        """A citizen's own scan of a poster. Raises `FieldError`."""
        at = read_time(scanned_at, "scanned_at", now)
        identifier = read_scan_id(scan_id, "scan_id", at)
        shown = read_pass(token, "pass")
        visit = Attempt(
            scan_id=identifier,
            checkpoint_id=checkpoint_id,
            scanned_at=at,
            digest=_digest((identifier, checkpoint_id, at, shown, "self-reported")),
            token=shown,
            is_self_reported=True,
        )
        return _dated(visit, now) if is_off(at, now) else visit

    def _people(
        self,
        given: object,
        shared: tuple[UUID, datetime, str | None, OfflineDecision | None],
        vehicle_ref: UUID | None,
        at: str,
    ) -> tuple[Attempt, ...]:
        if not isinstance(given, list) or not 1 <= len(given) <= PEOPLE_MAX:
            raise FieldError(at, f"must be a list of 1 to {PEOPLE_MAX}")
        if vehicle_ref is None:
            raise FieldError(at, "people ride in a vehicle: credential.plate is needed")
        people = tuple(self._person(each, shared, vehicle_ref, f"{at}.{n}.") for n, each in enumerate(given))
        if len({person.scan_id for person in people}) < len(people):
            raise FieldError(at, "each record needs a scan_id of its own")
        return people

    def _person(
        self,
        body: object,
        shared: tuple[UUID, datetime, str | None, OfflineDecision | None],
        vehicle_ref: UUID,
        at: str,
    ) -> Attempt:
        checkpoint_id, scanned_at, direction, offline = shared
        given = _members(body, _PERSON, at)
        scan_id = read_scan_id(given.get("scan_id"), at + "scan_id", scanned_at)
        token, person_ref, plate = self._credential(given.get("credential"), at + "credential")
        if plate is not None:
            raise FieldError(at + "credential.plate", "a person has none: the vehicle's stands above")
        temperature_c = _temperature(given.get("temperature_c"), at + "temperature_c")
        mask = _mask(given.get("mask"), at + "mask")
        seen = () if temperature_c is None and mask is None else (temperature_c, mask)
        content = (scan_id, *shared, token, person_ref, vehicle_ref, *seen)
        before = (scan_id, *shared[:3], None, token, person_ref, vehicle_ref, *seen)
        return Attempt(
            scan_id=scan_id,
            checkpoint_id=checkpoint_id,
            scanned_at=scanned_at,
            digest=_digest(content),
            token=token,
            person_ref=person_ref,
            vehicle_ref=vehicle_ref,
            direction=direction,
            temperature_c=temperature_c,
            mask=mask,
            offline=offline,
            digest_online=None if offline is None else _digest(before),
        )

    def _credential(self, body: object, at: str) -> tuple[str | None, UUID | None, UUID | None]:
        """(pass, person_ref of the document, vehicle_ref of the plate)."""
        given = _members(body, _CREDENTIAL, at + ".")
        token, document, plate = given.get("pass"), given.get("document"), given.get("plate")
        if token is None and document is None and plate is None:
            raise FieldError(at, "one of pass, document and plate is needed")
        if token is not None:
            read_pass(token, at + ".pass")
        person_ref = None if document is None else self._person_ref(document, at + ".document")
        vehicle_ref = None if plate is None else self.vehicle_ref(plate, at + ".plate")
        return token, person_ref, vehicle_ref

    def _person_ref(self, body: object, at: str) -> UUID:
        return self.person_ref(read_document(body, at))

    def person_ref(self, document: Document) -> UUID:
        return person_ref_of(self._city_key, document)

    def digest(self, content: tuple[object, ...]) -> bytes:
        """As of a scan, but under the city's key, for content that somebody could guess."""
        return hmac.digest(self._city_key, _digest(content), hashlib.sha256)

    def vehicle_ref(self, plate: object, at: str) -> UUID:
        if not isinstance(plate, str) or len(plate) > 32:
            raise FieldError(at, "must be a number plate of at most 32 characters")
        written = unicodedata.normalize("NFKC", plate)
        plain = "".join(each for each in written.upper() if not documents.is_separator(each))
        if not plain.isalnum() or len(written.upper()) != len(written) or not 4 <= len(plain) <= 12:
            raise FieldError(at, "must have 4 to 12 letters and digits; spaces, hyphens and dots may stand between")
        return keyed_uuid(self._city_key, "plate", plain)


def read_document(body: object, at: str) -> Document:
    given = _members(body, _DOCUMENT, at + ".")
    try:
        return documents.read_document(given.get("type"), given.get("country"), given.get("number"))
    except DocumentMalformed as error:
        raise FieldError(f"{at}.{error.field}", str(error)) from None


def read_uuid(value: object, field: str) -> UUID:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise FieldError(field, "must be a UUID")
    return UUID(value)


def _checkpoint_id(value: object, field: str) -> UUID:
    try:
        return _known_uuid(value)
    except (FieldError, TypeError):
        raise FieldError(field, "must be a UUID") from None


@lru_cache(maxsize=10_000)
def _known_uuid(text: str) -> UUID:
    """The same few texts come again and again."""
    return read_uuid(text, "")


def _scanned_at(value: object, field: str, now: datetime, *, is_offline: bool) -> datetime:
    """What an online scan says of its time is kept though the clock is off; the days of the table bound it."""
    if is_offline:
        return read_time(value, field, now)
    return read_time(value, field, now, ahead_max=ONLINE_AHEAD_MAX, bounds="7 days ago and a day ahead")


def _dated(attempt: Attempt, now: datetime) -> Attempt:
    """Dated by the server, for the gate's clock is off; its people too. The digest stays that of what was sent."""
    people = tuple(_dated(person, now) for person in attempt.people)
    return attempt._replace(scanned_at=now, gate_said_at=attempt.scanned_at, people=people)


def read_time(
    value: object,
    field: str,
    now: datetime,
    *,
    ahead_max: timedelta = AHEAD_MAX,
    bounds: str = "7 days ago and 5 minutes ahead",
) -> datetime:
    """A moment within what may be reported: −7 days … +5 minutes."""
    try:
        at = read_date_time(value)
    except ValueError as error:
        raise FieldError(field, str(error)) from None
    if not now - AGE_MAX <= at <= now + ahead_max:
        raise FieldError(field, f"must lie between {bounds}")
    return at


def read_scan_id(value: object, field: str, scanned_at: datetime, *, beside: str = "scanned_at") -> UUID:
    scan_id = read_uuid(value, field)
    number = scan_id.int
    if number >> 76 & 0xF != 7 or number >> 62 & 3 != 2:
        raise FieldError(field, "must be a UUID of version 7")
    if abs((number >> 80) - int(scanned_at.timestamp() * 1000)) > ID_APART_MAX_MS:
        raise FieldError(field, f"its time must lie within five minutes of {beside}")
    return scan_id


def read_pass(value: object, field: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= PASS_CHARACTERS_MAX:
        raise FieldError(field, f"must be a string of 1 to {PASS_CHARACTERS_MAX} characters")
    return value


def parsed(body: bytes) -> object:
    """The JSON of a body. Raises `FieldError`."""
    try:
        return orjson.loads(body)
    except ValueError:
        raise FieldError("body", "must be JSON") from None


def read_members(body: object, allowed: frozenset[str], at: str = "") -> dict[str, Any]:
    return _members(body, allowed, at)


def _members(body: object, allowed: frozenset[str], at: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise FieldError(at.rstrip(".") or "body", "must be an object")
    if not body.keys() <= allowed:
        unknown = min(body.keys() - allowed)[:64]
        raise FieldError(at + unknown, f"is not known here; known are {', '.join(sorted(allowed))}")
    return body


def _direction(value: object, field: str) -> str | None:
    if value is None:
        return None
    if value not in ("in", "out"):
        raise FieldError(field, "must be in or out")
    return str(value)


def _mask(value: object, field: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise FieldError(field, "must be true, or false for somebody who wears none")
    return value


def _temperature(value: object, field: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FieldError(field, "must be a number, in degrees Celsius")
    if not TEMPERATURE_C_MIN <= value <= TEMPERATURE_C_MAX:
        raise FieldError(field, f"must lie between {TEMPERATURE_C_MIN:g} and {TEMPERATURE_C_MAX:g}")
    return float(value)


def _offline(body: object, at: str) -> OfflineDecision | None:
    if body is None:
        return None
    given = _members(body, _OFFLINE, at + ".")
    decision, refusal = given.get("decision"), given.get("refusal")
    policy_version, list_revision = given.get("policy_version"), given.get("list_revision")
    if not isinstance(decision, str) or decision not in _DECISIONS:
        raise FieldError(at + ".decision", "must be pass, check or stop")
    if refusal is not None and (not isinstance(refusal, str) or refusal not in _REFUSALS):
        raise FieldError(at + ".refusal", "must be null or a refusal of the contract")
    if not isinstance(policy_version, str) or not _POLICY_VERSION.fullmatch(policy_version):
        raise FieldError(at + ".policy_version", "must read like default@1")
    if isinstance(list_revision, bool) or not isinstance(list_revision, int) or not 0 <= list_revision < REVISION_MAX:
        raise FieldError(at + ".list_revision", "must be a whole number, 0 or more")
    return OfflineDecision(decision, refusal, policy_version, list_revision)


def _digest(content: tuple[object, ...]) -> bytes:
    """SHA-256 over the content in one spelling: ids, numbers and times that mean the same read the same."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_UTC_Z)).digest()
