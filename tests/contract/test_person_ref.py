"""The one vector table of normalisation: every service that takes a document makes the same person of it.

The services are strangers; here is where their three readings of a document meet.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from chassis.pseudonym import keyed_uuid
from services.checkpoints.domain import documents as at_checkpoints
from services.codes.domain import documents as at_codes
from services.ledger.domain import documents as at_ledger

KEY = bytes(range(32))
PERSON = "aa1be7bc-5a44-8407-a9b5-a427ded8a477"

VECTORS = [
    (("resident_id", "CN", "110101199003070038"), ("resident_id", "CN", "110101199003070038")),
    (("resident_id", "cn", "11010119900307003x"), ("resident_id", "CN", "11010119900307003X")),
    (("resident_id", "CHN", " 110101 19900307 0038 "), ("resident_id", "CN", "110101199003070038")),
    (("passport", "gb", "ab-123 456.7"), ("passport", "GB", "AB1234567")),
    (("passport", "\uff23\uff2e", "\uff25\uff11\uff12\uff13\uff14\uff15"), ("passport", "CN", "E12345")),
    (("travel_permit", "HKG", "H1234567801"), ("travel_permit", "HK", "H1234567801")),
    (("residence_permit", "TWN", "t–100"), ("residence_permit", "TW", "T100")),
]
REFUSED = [
    ("library_card", "CN", "12345"),
    ("passport", "C", "12345"),
    ("passport", "ABCD", "12345"),
    ("passport", "CN", "--"),
    ("passport", "CN", "A" * 33),
]


def _codes(kind: str, country: str, number: str) -> UUID:
    if kind not in at_codes.DOCUMENT_TYPES:
        raise ValueError(kind)
    document = at_codes.Document(kind, at_codes.normalised_country(country), at_codes.normalised_number(number))
    return at_codes.person_ref_of(KEY, document)


def _checkpoints(kind: str, country: str, number: str) -> UUID:
    return keyed_uuid(KEY, *at_checkpoints.normalised(kind, country, number).parts())


def _ledger(kind: str, country: str, number: str) -> UUID:
    return at_ledger.person_ref_of(KEY, at_ledger.normal_document(kind, country, number))


READERS = {"codes": _codes, "checkpoints": _checkpoints, "ledger": _ledger}


@pytest.mark.parametrize(("written", "normal"), VECTORS)
@pytest.mark.parametrize("service", READERS)
def test_a_document_however_written_is_the_same_person_in_every_service(
    service: str, written: tuple[str, str, str], normal: tuple[str, str, str]
) -> None:
    assert READERS[service](*written) == keyed_uuid(KEY, *normal)


@pytest.mark.parametrize("written", REFUSED)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_is_no_document_is_refused_by_every_service(
    read: Callable[[str, str, str], UUID], written: tuple[str, str, str]
) -> None:
    with pytest.raises(Exception, match=r".+"):
        read(*written)


def test_the_reference_is_a_uuid_of_version_8_that_never_changes() -> None:
    reference = keyed_uuid(KEY, *VECTORS[0][1])
    assert (reference.version, str(reference)) == (8, PERSON)
