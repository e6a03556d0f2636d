"""What a gate sends is read strictly: every fault names its field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chassis.ids import uuid7
from services.checkpoints.attempts import AttemptReader, FieldError

NOW = datetime(2022, 11, 22, 8, 0, tzinfo=UTC)
READER = AttemptReader(bytes(32))
DOCUMENT = {"type": "resident_id", "number": "44010319800101001X"}


def body(**members):
    at = members.pop("at", NOW)
    given = {
        "scan_id": str(uuid7(at)),
        "checkpoint_id": str(uuid4()),
        "credential": {"pass": "a.b.c"},
        "scanned_at": at.isoformat(),
    }
    return given | members


def faults(**members):
    with pytest.raises(FieldError) as caught:
        READER.read(body(**members), NOW)
    return caught.value.field


def test_a_plain_scan_is_read():
    given = body(temperature_c=36, direction="in")
    attempt = READER.read(given, NOW)
    assert (str(attempt.scan_id), attempt.token, attempt.temperature_c) == (given["scan_id"], "a.b.c", 36.0)
    assert attempt.scanned_at == NOW


@pytest.mark.parametrize("given", [None, [], "x", 5, True])
def test_a_body_that_is_no_object_is_refused(given):
    with pytest.raises(FieldError, match="body"):
        READER.read(given, NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scan_id", None),
        ("scan_id", "not-a-uuid"),
        ("scan_id", str(uuid4())),
        ("scan_id", "{" + str(uuid7(NOW)) + "}"),
        ("scan_id", str(uuid7(NOW - timedelta(minutes=6)))),
        ("scan_id", 12),
        ("checkpoint_id", "x"),
        ("checkpoint_id", None),
        ("credential", None),
        ("credential", {}),
        ("credential", "a.b.c"),
        ("credential.pass", {"pass": ""}),
        ("credential.pass", {"pass": "x" * 5000}),
        ("credential.pass", {"pass": 5}),
        ("credential.face", {"face": "…"}),
        ("credential.document", {"document": "440103"}),
        ("credential.document.type", {"document": {"type": "library_card", "number": "123"}}),
        ("credential.document.number", {"document": {"type": "passport"}}),
        ("credential.document.number", {"document": {"type": "passport", "number": "--"}}),
        ("credential.document.country", {"document": {**DOCUMENT, "country": "Atlantis"}}),
        ("credential.document.colour", {"document": {**DOCUMENT, "colour": "red"}}),
        ("credential.plate", {"plate": "!"}),
        ("credential.plate", {"plate": "粤A1234😀5"}),
        ("credential.plate", {"plate": "粤A1234\u200b5"}),
        ("credential.plate", {"plate": "粤Aß12345"}),
        ("scanned_at", None),
        ("scanned_at", 1669104000),
        ("scanned_at", "2022-11-22T08:00:00"),
        ("scanned_at", "2022-11-22"),
        ("scanned_at", "2022-13-22T08:00:00Z"),
        ("scanned_at", "9999-12-31T23:59:59-14:00"),
        ("scanned_at", "0001-01-01T00:00:00+14:00"),
        ("direction", "sideways"),
        ("direction", 1),
        ("temperature_c", "36.5"),
        ("temperature_c", True),
        ("temperature_c", 98.6),
        ("temperature_c", -300),
        ("offline", "pass"),
        ("offline.decision", {"decision": "maybe", "policy_version": "default@1", "list_revision": 1}),
        ("offline.refusal", {"decision": "stop", "refusal": "x", "policy_version": "p@1", "list_revision": 1}),
        ("offline.policy_version", {"decision": "stop", "list_revision": 1}),
        ("offline.policy_version", {"decision": "stop", "policy_version": "a,b}", "list_revision": 1}),
        ("offline.list_revision", {"decision": "stop", "policy_version": "p@1", "list_revision": -1}),
        ("offline.list_revision", {"decision": "stop", "policy_version": "p@1", "list_revision": True}),
        ("people", [{"scan_id": "x"}]),
        ("colour", "green"),
    ],
)
def test_a_fault_names_its_field(field, value):
    assert faults(**{field.split(".")[0]: value}) == field


OFFLINE = {"decision": "pass", "refusal": None, "policy_version": "default@1", "list_revision": 1}


@pytest.mark.parametrize("apart", [-timedelta(days=7, minutes=1), timedelta(minutes=6)])
def test_an_absurd_time_of_an_offline_scan_is_refused(apart):
    assert faults(at=NOW + apart, offline=OFFLINE) == "scanned_at"


@pytest.mark.parametrize("apart", [-timedelta(days=6, hours=23), -timedelta(minutes=3), timedelta(minutes=4)])
def test_a_late_upload_keeps_the_time_of_its_gate(apart):
    attempt = READER.read(body(at=NOW + apart, offline=OFFLINE), NOW)
    assert (attempt.scanned_at, attempt.gate_said_at) == (NOW + apart, None)


@pytest.mark.parametrize("apart", [-timedelta(minutes=2), timedelta(seconds=-61), timedelta(seconds=119)])
def test_a_clock_that_is_a_little_off_dates_its_scans(apart):
    attempt = READER.read(body(at=NOW + apart), NOW)
    assert (attempt.scanned_at, attempt.gate_said_at) == (NOW + apart, None)


@pytest.mark.parametrize(
    "apart", [-timedelta(days=6), -timedelta(seconds=121), timedelta(seconds=121), timedelta(hours=8)]
)
def test_a_clock_that_is_further_off_dates_nothing_and_what_it_said_is_kept(apart):
    """Eight hours ahead is a gate that writes Beijing's time as Greenwich's."""
    at = NOW + apart
    people = [{"scan_id": str(uuid7(at)), "credential": {"pass": "a.b.c"}}]
    attempt = READER.read(body(at=at, credential={"plate": "粤A12345"}, people=people), NOW)
    for each in (attempt, *attempt.people):
        assert (each.scanned_at, each.gate_said_at) == (NOW, at)


@pytest.mark.parametrize("apart", [-timedelta(days=7, minutes=1), timedelta(days=1, minutes=1)])
def test_a_clock_whose_ids_lie_on_no_day_that_is_kept_is_refused(apart):
    assert faults(at=NOW + apart) == "scanned_at"


def test_a_repeat_is_known_however_much_later_it_comes():
    said = body(at=NOW)
    assert READER.read(said, NOW).digest == READER.read(said, NOW + timedelta(minutes=5)).digest


def test_the_same_content_in_another_spelling_has_the_same_digest():
    given = body(temperature_c=37)
    other = given | {
        "scan_id": given["scan_id"].upper(),
        "scanned_at": "2022-11-22T16:00:00+08:00",
        "temperature_c": 37.0,
    }
    assert READER.read(given, NOW).digest == READER.read(other, NOW).digest


@pytest.mark.parametrize(
    "changed",
    [
        {"credential": {"pass": "a.b.d"}},
        {"temperature_c": 37.1},
        {"direction": "out"},
        {"checkpoint_id": str(uuid4())},
        {"scanned_at": "2022-11-22T08:00:01Z"},
        {"offline": {"decision": "pass", "policy_version": "default@1", "list_revision": 1}},
        {"credential": {"pass": "a.b.c", "document": DOCUMENT}},
    ],
)
def test_other_content_has_another_digest(changed):
    given = body()
    assert READER.read(given, NOW).digest != READER.read(given | changed, NOW).digest


@pytest.mark.parametrize("mask", [None, False])
@pytest.mark.parametrize("people", [0, 2])
def test_what_comes_late_is_known_as_what_had_come_before_the_gate_decided_alone(mask, people):
    riding = [{"scan_id": str(uuid7(NOW)), "credential": {"pass": f"a.b.{n}"}} for n in range(people)]
    given = body(temperature_c=37.0, direction="in", credential={"plate": "粤A12345"})
    given |= {"people": riding} if people else {}
    given |= {} if mask is None else {"mask": mask}
    before = READER.read(given, NOW)
    offline = {"decision": "pass", "policy_version": "default@1", "list_revision": 1}
    late = READER.read(given | {"offline": offline}, NOW)
    assert before.digest_online is None
    assert late.digest != before.digest
    for each, first in zip((late, *late.people), (before, *before.people), strict=True):
        assert each.digest_online == first.digest
        assert each.is_recorded_as(first.digest)
        assert not first.is_recorded_as(each.digest)
    other = READER.read(given | {"offline": offline, "direction": "out"}, NOW)
    assert not other.is_recorded_as(before.digest)


def test_a_document_becomes_a_reference_and_goes_no_further():
    attempt = READER.read(body(credential={"document": DOCUMENT}), NOW)
    other = READER.read(
        body(credential={"document": {**DOCUMENT, "country": "chn", "number": "440103 19800101-001x"}}), NOW
    )
    assert attempt.person_ref == other.person_ref
    assert DOCUMENT["number"] not in repr(attempt)


def test_a_vehicle_and_its_people_share_one_reference():
    people = [{"scan_id": str(uuid7(NOW)), "credential": {"pass": f"a.b.{n}"}} for n in range(3)]
    attempt = READER.read(body(credential={"plate": "粤A·12345"}, people=people), NOW)
    assert {person.vehicle_ref for person in attempt.people} == {attempt.vehicle_ref}
    assert attempt.vehicle_ref == READER.read(body(credential={"plate": "粤a12345"}), NOW).vehicle_ref


def test_people_need_a_vehicle_ids_of_their_own_and_no_plates():
    one = {"scan_id": str(uuid7(NOW)), "credential": {"pass": "a.b.c"}}
    assert faults(people=[one]) == "people"
    assert faults(credential={"plate": "粤A12345"}, people=[one, one]) == "people"
    assert faults(credential={"plate": "粤A12345"}, people=[]) == "people"
    plated = {"scan_id": str(uuid7(NOW)), "credential": {"plate": "粤A12345"}}
    assert faults(credential={"plate": "粤A12345"}, people=[plated]) == "people.0.credential.plate"
    for member, value in (("direction", "in"), ("temperature_c", 99), ("mask", "no")):
        mixed = {**one, "scan_id": str(uuid7(NOW)), member: value}
        assert faults(credential={"plate": "粤A12345"}, people=[one, mixed]) == f"people.1.{member}"
