"""The file in parts, and names that are changed by a correction only."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger import journal
from tests.integration.ledger.conftest import CITY, COMMUNITY, DISTRICT, OTHER_DISTRICT, STREET, Ledger, kinds, message
from tests.integration.ledger.test_tasks import arrival
from wire.codes.v1 import events_pb2 as codes

OTHER_STREET = "440103001"
DOCUMENT = {"type": "passport", "country": "CHN", "number": "E12345678"}


def lives_in(ledger: Ledger, person: UUID, area: str) -> None:
    change = codes.ColourChanged(person_ref=str(person), colour=codes.COLOUR_GREEN, area=area)
    change.since.GetCurrentTime()
    ledger.take(message(change, key=str(person), subject=f"person/{person}"))


def open_named(ledger: Ledger, area: str, of: str = "general_contact", **person: Any) -> UUID:
    body = {"ledger": of, "person": {"document": DOCUMENT} | person, "area": area, "facts": {}}
    answer = ledger.post("/v1/entries", body, bound_to=area)
    assert answer.status_code == 201, answer.text
    entry = ledger.get(f"/v1/entries/{answer.json()['entry_id']}").json()
    return UUID(entry["person_ref"])


def file_of(ledger: Ledger, person: UUID, area: str = CITY) -> dict[str, Any]:
    answer = ledger.get(f"/v1/people/{person}/file", role="community", bound_to=area)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def correct(ledger: Ledger, person: UUID, area: str = CITY, **body: Any) -> Any:
    return ledger.post(f"/v1/people/{person}/corrections", {"reason": "misheard"} | body, bound_to=area)


def test_an_entry_opened_in_my_area_shows_me_that_entry_and_not_the_rest(ledger: Ledger, person: UUID) -> None:
    lives_in(ledger, person, COMMUNITY)
    home = ledger.open("close_contact", person, area=COMMUNITY)["entry_id"]
    ledger.take(arrival(person, has_fever=True, gate_area=DISTRICT))
    whole = file_of(ledger, person, DISTRICT)
    assert (whole["is_whole"], whole["area"]) == (True, COMMUNITY)
    assert [each["entry_id"] for each in whole["entries"]] == [home]
    assert {"opened", "evidence_found", "alarm", "task_opened"} <= set(kinds(whole["timeline"]))
    assert ledger.get(f"/v1/people/{person}/file", bound_to=OTHER_DISTRICT).status_code == 403


@pytest.mark.parametrize("is_residence_known", [True, False])
def test_each_area_sees_its_own_part_of_a_person_of_two(ledger: Ledger, person: UUID, is_residence_known: bool) -> None:
    if is_residence_known:
        lives_in(ledger, person, COMMUNITY)
    first = ledger.open("general_contact", person, area=COMMUNITY)["entry_id"]
    ledger.take(arrival(person, has_fever=True, gate_area=DISTRICT))
    second = ledger.open("close_contact", person, area=OTHER_STREET)["entry_id"]
    there = file_of(ledger, person, OTHER_DISTRICT)
    assert [each["entry_id"] for each in there["entries"]] == [second]
    assert {each["entry_id"] for each in there["timeline"]} == {second}
    assert (there["is_whole"], there["area"]) == (False, None)
    assert COMMUNITY not in str(there)
    here = file_of(ledger, person, DISTRICT)
    assert here["is_whole"] is is_residence_known
    shown = {each["entry_id"] for each in here["entries"]}
    assert shown == ({first, second} if is_residence_known else {first})
    assert {"task_opened", "alarm"} <= set(kinds(here["timeline"]))
    whole = file_of(ledger, person)
    assert (whole["is_whole"], {each["entry_id"] for each in whole["entries"]}) == (True, {first, second})


def test_an_alarm_in_my_area_shows_me_that_alarm_and_not_the_file(ledger: Ledger, person: UUID) -> None:
    ledger.take(arrival(person, has_fever=True))
    seen = file_of(ledger, person, OTHER_STREET)
    assert kinds(seen["timeline"]) == ["alarm"]
    assert (seen["entries"], seen["is_whole"]) == ([], False)


def test_another_name_for_a_known_document_is_kept_beside_the_one_that_stands(ledger: Ledger) -> None:
    person = open_named(ledger, COMMUNITY, name="张三", phone="13800000001")
    assert open_named(ledger, OTHER_STREET, of="close_contact", name="李四", phone="13800000002") == person
    whole = file_of(ledger, person)
    assert (whole["name"], whole["phone"]) == ("张三", "13800000001")
    assert [(each["kind"], each["name"], each["area"], each["named_by"]) for each in whole["names"]] == [
        ("first", "张三", COMMUNITY, "operator-1"),
        ("other", "李四", OTHER_STREET, "operator-1"),
    ]
    there = file_of(ledger, person, OTHER_DISTRICT)
    assert (there["name"], there["phone"]) == ("李四", "13800000002"), "what they wrote, not what stands elsewhere"
    assert "张三" not in str(there)
    assert "13800000001" not in str(there)
    assert file_of(ledger, person, STREET)["name"] == "张三"


def test_what_was_missing_is_added_and_the_same_again_is_nothing_new(ledger: Ledger) -> None:
    person = open_named(ledger, COMMUNITY, name="张三")
    assert file_of(ledger, person)["name_and_phone"]["code"] == "kept_by_codes"
    open_named(ledger, COMMUNITY, of="close_contact", name="张三", phone="13800000001")
    whole = file_of(ledger, person)
    assert (whole["name"], whole["phone"], whole["name_and_phone"]) == ("张三", "13800000001", None)
    assert [each["kind"] for each in whole["names"]] == ["first", "first"]


def test_a_name_that_stands_is_changed_by_a_logged_correction(ledger: Ledger) -> None:
    person = open_named(ledger, COMMUNITY, name="张三", phone="13800000001")
    lives_in(ledger, person, COMMUNITY)
    answer = correct(ledger, person, STREET, name="张叁")
    assert answer.status_code == 200, answer.text
    whole = file_of(ledger, person)
    assert (whole["name"], whole["phone"]) == ("张叁", "13800000001")
    last = whole["names"][-1]
    assert (last["kind"], last["name"], last["phone"], last["reason"], last["named_by"]) == (
        "correction",
        "张叁",
        None,
        "misheard",
        "operator-1",
    )
    assert whole["names"][0]["name"] == "张三", "what stood stays in the history"
    same = correct(ledger, person, name="张叁")
    assert (same.status_code, same.json()["code"]) == (409, "nothing_to_correct")
    written = ledger.rows("SELECT content FROM journal_content WHERE content LIKE '%%name_corrected%%'")
    assert len(written) == 1
    assert "张" not in written[0][0]
    logged = ledger.rows("SELECT subject, area, is_refused FROM access_log WHERE what = 'correction'")
    assert logged == [("operator-1", STREET, False), ("operator-1", CITY, False)]
    with ledger.parts.database.transaction() as tx:
        assert journal.verify(tx).whole


def test_a_correction_is_for_those_who_reach_the_person(ledger: Ledger) -> None:
    person = open_named(ledger, COMMUNITY, name="张三")
    open_named(ledger, OTHER_STREET, of="close_contact", name="李四")
    lives_in(ledger, person, COMMUNITY)
    for area in (OTHER_DISTRICT, OTHER_STREET):
        refused = correct(ledger, person, area, name="王五")
        assert (refused.status_code, refused.json()["code"]) == (403, "area_refused")
        assert refused.text == correct(ledger, uuid4(), area, name="王五").text
    assert ledger.post(f"/v1/people/{person}/corrections", {"name": "x", "reason": "y"}, role="gate").status_code == 403
    assert correct(ledger, uuid4(), name="王五").json()["code"] == "person_not_found"
    for body in ({}, {"name": ""}, {"name": "王五", "reason": ""}, {"phone": "x"}, {"name": "王五", "age": 3}):
        assert correct(ledger, person, **body).status_code == 422
    assert file_of(ledger, person)["name"] == "张三"
    assert ledger.rows("SELECT count(*) FROM access_log WHERE what = 'correction' AND is_refused") == [(5,)]


def test_whoever_wrote_the_name_that_stands_hears_what_it_was_corrected_to(ledger: Ledger) -> None:
    person = open_named(ledger, OTHER_STREET, name="张三")
    lives_in(ledger, person, COMMUNITY)
    assert correct(ledger, person, CITY, name="张叁").status_code == 200
    assert file_of(ledger, person, OTHER_DISTRICT)["name"] == "张叁"


def test_the_file_of_a_traced_person_says_where_name_and_phone_are_kept(ledger: Ledger, person: UUID) -> None:
    lives_in(ledger, person, COMMUNITY)
    ledger.open("close_contact", person, area=COMMUNITY)
    file = file_of(ledger, person, COMMUNITY)
    assert (file["name"], file["phone"]) == (None, None)
    said = file["name_and_phone"]
    assert (said["kept_in"], said["may_ask"]) == ("codes", ["community", "operator"])
    assert said["text"].keys() == {"zh", "en"}
    assert correct(ledger, person, COMMUNITY, name="张三", phone="13800000001").status_code == 200
    assert file_of(ledger, person, COMMUNITY)["name_and_phone"] is None


def test_names_lie_sealed_and_the_history_is_only_added_to(ledger: Ledger) -> None:
    open_named(ledger, COMMUNITY, name="张三", phone="13800000001")
    open_named(ledger, COMMUNITY, of="close_contact", name="李四")
    for table in ("person", "naming", "journal_content", "outbox", "access_log", "step"):
        rows = str(ledger.rows(f"SELECT CAST(t AS text) FROM {table} AS t"))  # noqa: S608 (the test's own names)
        for secret in ("张三", "李四", "13800000001", "张三".encode().hex(), b"13800000001".hex()):
            assert secret not in rows, table
    for statement in ("DELETE FROM naming", "UPDATE naming SET reason = 'x'"):
        with pytest.raises(Exception, match="only"):
            ledger.change(statement)
