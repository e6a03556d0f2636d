"""The one vector table of documents: every service, and a gate, makes the same person of one, or refuses it alike.

Each is asked through the body that it takes over HTTP or at the keyboard.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from chassis.pseudonym import keyed_uuid
from city.documents import person_ref_of
from guanka.gate.forms import read_form_of
from guanka.gate.reading import LineRefused, read_line
from services.checkpoints.api.forms import RegistrationIn, read_form
from services.checkpoints.attempts import AttemptReader, FieldError
from services.codes.api import evidence as at_codes
from services.codes.api.models import EvidenceBody
from services.ledger.api import entries as at_ledger
from services.ledger.api.forms import PersonForm
from services.ledger.domain.errors import InvalidRequest

KEY = bytes(range(32))
PERSON = "aa1be7bc-5a44-8407-a9b5-a427ded8a477"
NOW = datetime.now(UTC)

VECTORS = [
    (("resident_id", "CN", "110101199003070038"), ("resident_id", "CN", "110101199003070038")),
    (("resident_id", "cn", "11010119900307003x"), ("resident_id", "CN", "11010119900307003X")),
    (("resident_id", "CHN", " 110101 19900307 0038 "), ("resident_id", "CN", "110101199003070038")),
    (("resident_id", None, "110101900307003"), ("resident_id", "CN", "110101199003070038")),
    (("resident_id", "CN", "110105 491231 002"), ("resident_id", "CN", "11010519491231002X")),
    (("passport", "CN", "110105491231002"), ("passport", "CN", "110105491231002")),
    (("passport", "gb", "ab-123 456.7"), ("passport", "GB", "AB1234567")),
    (("passport", "\uff23\uff2e", "\uff25\uff11\uff12\uff13\uff14\uff15"), ("passport", "CN", "E12345")),
    (("travel_permit", "HKG", "H1234567801"), ("travel_permit", "HK", "H1234567801")),
    (("residence_permit", "TWN", "t–100"), ("residence_permit", "TW", "T100")),
    (("passport", None, "E12345678"), ("passport", "CN", "E12345678")),
]
REFUSED = [
    (("library_card", "CN", "12345"), "type"),
    (("passport", "C", "12345"), "country"),
    (("passport", "ABCD", "12345"), "country"),
    (("passport", "", "12345"), "country"),
    (("passport", "ß", "12345"), "country"),
    (("passport", "CN", "--"), "number"),
    (("passport", "CN", "A" * 33), "number"),
    (("passport", "RU", "МЮ1234567"), "number"),
    (("passport", "RU", "ЕК1234567"), "number"),
    (("passport", "DE", "Ä123456"), "number"),
    (("passport", "DE", "O\u0308123456"), "number"),
    (("passport", "DE", "ß123456"), "number"),
    (("passport", "CN", "E12\u200b345"), "number"),
    (("passport", "CN", "E12/345"), "number"),
    (("passport", "CN", "E12345٣"), "number"),
]

Written = tuple[str, str | None, str]


class Refused(Exception):
    """With the field that was at fault."""


def _body(written: Written) -> dict[str, Any]:
    return dict(zip(("type", "country", "number"), written, strict=True))


def _codes(written: Written) -> UUID:
    given = {"evidence_id": str(uuid4()), "kind": "travel", "facts": {}, "observed_at": NOW.isoformat(), "source": "x"}
    try:
        body = EvidenceBody.model_validate_json(json.dumps(given | {"document": _body(written)}))
    except ValidationError as error:
        raise Refused(str(error.errors()[0]["loc"][-1])) from None
    found = at_codes._evidence(SimpleNamespace(office=SimpleNamespace(city_key=KEY)), body).person_ref  # type: ignore[arg-type]
    assert found is not None
    return found


def _scan(written: Written) -> UUID:
    reader = AttemptReader(KEY)
    try:
        found = reader._credential({"document": _body(written)}, "credential")[1]
    except FieldError as error:
        raise Refused(error.field.rpartition(".")[2]) from None
    assert found is not None
    return found


def _registration(written: Written) -> UUID:
    moment = NOW.isoformat()
    identifier = UUID(int=int(NOW.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62)
    form = {
        "registration_id": str(identifier),
        "checkpoint_id": str(uuid4()),
        "document": _body(written),
        "phone": "13800000000",
        "from_area": "420100",
        "to_area": "440103",
        "registered_at": moment,
    }
    try:
        return read_form(RegistrationIn.model_validate(form), AttemptReader(KEY), NOW).registration.person_ref
    except ValidationError as error:
        raise Refused(str(error.errors()[0]["loc"][-1])) from None
    except FieldError as error:
        raise Refused(error.field.rpartition(".")[2]) from None


def _ledger(written: Written) -> UUID:
    try:
        form = PersonForm.model_validate_json(json.dumps({"document": _body(written)}))
        return at_ledger._person_ref(SimpleNamespace(city_key=KEY), form)  # type: ignore[arg-type]
    except ValidationError as error:
        raise Refused(str(error.errors()[0]["loc"][-1])) from None
    except InvalidRequest as error:
        raise Refused(error.errors[0][0].rpartition(".")[2]) from None


def _gate_form(written: Written) -> UUID:
    """A gate knows no city key: what it keeps is the document in the normal form."""
    fields = {"document": _body(written), "phone": "13800000000", "from_area": "420100", "to_area": "440103"}
    try:
        _, form = read_form_of(fields, str(uuid4()), NOW)
    except LineRefused as error:
        raise Refused(str(error).partition(":")[0].rpartition(".")[2]) from None
    return person_ref_of(KEY, form.document)


READERS: dict[str, Callable[[Written], UUID]] = {
    "codes": _codes,
    "scans": _scan,
    "registrations": _registration,
    "ledger": _ledger,
    "gate": _gate_form,
}


@pytest.mark.parametrize(("written", "normal"), VECTORS)
@pytest.mark.parametrize("service", READERS)
def test_a_document_however_written_is_the_same_person_everywhere(
    service: str, written: Written, normal: tuple[str, str, str]
) -> None:
    assert READERS[service](written) == keyed_uuid(KEY, *normal)


@pytest.mark.parametrize(("written", "field"), REFUSED)
@pytest.mark.parametrize("service", READERS)
def test_what_is_no_document_is_refused_everywhere_with_the_field(service: str, written: Written, field: str) -> None:
    with pytest.raises(Refused, match=f"^{field}$"):
        READERS[service](written)


def test_a_gate_refuses_the_line_of_a_document_that_is_none() -> None:
    line = json.dumps({"document": {"type": "passport", "country": "RU", "number": "МЮ1234567"}})
    with pytest.raises(LineRefused, match="number"):
        read_line(line, str(uuid4()), NOW)


def test_the_reference_is_a_uuid_of_version_8_that_never_changes() -> None:
    reference = keyed_uuid(KEY, *VECTORS[0][1])
    assert (reference.version, str(reference)) == (8, PERSON)
