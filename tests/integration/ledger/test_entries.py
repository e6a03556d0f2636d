"""Entries over HTTP: opened once, moved by the version one saw, read by those who answer for the area."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.ids import uuid7
from services.ledger.deadlines import deadline_check
from services.ledger.use_cases.keeping import Actor
from services.ledger.use_cases.moving_by_occurrence import renew
from tests.integration.ledger.conftest import COMMUNITY, DISTRICT, OTHER_DISTRICT, STREET, Ledger


def now() -> str:
    return datetime.now(UTC).isoformat()


def case(person: UUID, **more: Any) -> dict[str, Any]:
    body = {"ledger": "confirmed", "person": {"person_ref": str(person)}, "area": COMMUNITY}
    return body | {"facts": {"confirmed_at": now()}} | more


def test_a_confirmed_case_gets_an_owner_a_deadline_evidence_and_a_trace(ledger: Ledger, person: UUID) -> None:
    answer = ledger.post("/v1/entries", case(person), role="authority")
    assert answer.status_code == 201
    opened = answer.json()
    assert opened["version"] == 1
    assert opened["stage"] == "reported"
    assert opened["owner"] == DISTRICT
    within = datetime.fromisoformat(opened["next_deadline"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < within <= timedelta(hours=2)
    [(headers, told)] = ledger.told("EntryOpened")
    assert headers["ce_subject"] == f"entry/{opened['entry_id']}"
    assert (headers["ce_revision"], headers["ce_district"]) == ("1", DISTRICT)
    assert (told.definition, told.person_ref) == ("confirmed@2", str(person))
    [(_, evidence)] = ledger.told("EvidenceFound")
    assert (evidence.kind, evidence.entry_id) == ("case", opened["entry_id"])
    assert not evidence.HasField("ended_at")
    [(_, trace)] = ledger.told("TraceRequested")
    since, to = getattr(trace, "from").ToDatetime(), trace.to.ToDatetime()
    assert timedelta(days=14) <= to - since < timedelta(days=14, minutes=1)


def test_a_second_opening_names_the_entry_that_is_open(ledger: Ledger, person: UUID) -> None:
    first = ledger.post("/v1/entries", case(person)).json()
    again = ledger.post("/v1/entries", case(person))
    assert again.status_code == 409
    assert again.json()["code"] == "entry_already_open"
    assert first["entry_id"] in again.json()["detail"]
    assert len(ledger.told("EntryOpened")) == 1


def test_the_same_order_sent_again_gets_the_first_answer(ledger: Ledger, person: UUID) -> None:
    order = case(person, entry_id=str(uuid7()))
    first = ledger.post("/v1/entries", order)
    move = {"move": "admit", "facts": {"hospital": "八院"}, "expected_version": 1}
    ledger.post(f"/v1/entries/{order['entry_id']}/moves", move)
    again = ledger.post("/v1/entries", order)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = ledger.post("/v1/entries", case(uuid4(), entry_id=order["entry_id"]))
    assert (other.status_code, other.json()["code"]) == (409, "entry_id_taken")


def test_one_document_is_one_person_however_it_is_typed(ledger: Ledger) -> None:
    def opening(number: str, country: str | None) -> Any:
        document = {"type": "passport", "number": number} | ({"country": country} if country else {})
        return ledger.post("/v1/entries", case(uuid4()) | {"person": {"document": document, "name": "王小明"}})

    assert opening("e 1234-5678", None).status_code == 201
    assert opening("Ｅ12345678", "chn").status_code == 409


def test_a_name_is_sealed_at_rest_and_read_back_in_the_file(ledger: Ledger) -> None:
    document = {"type": "resident_id", "number": "11010519491231002X"}
    person = {"document": document, "name": "王小明", "phone": "13800138000"}
    opened = ledger.post("/v1/entries", case(uuid4()) | {"person": person}).json()
    [(ref, name, phone)] = ledger.rows("SELECT person_ref, name, phone FROM person")
    assert "王小明".encode() not in name
    assert b"13800138000" not in phone
    file = ledger.get(f"/v1/people/{ref}/file").json()
    assert (file["name"], file["phone"]) == ("王小明", "13800138000")
    assert file["entries"][0]["entry_id"] == opened["entry_id"]
    told = "SELECT content FROM journal_content UNION ALL SELECT encode(payload, 'escape') FROM outbox"
    everything = str(ledger.rows(told))
    assert "王小明" not in everything
    assert "11010519491231002X" not in everything


def test_a_move_takes_the_entry_to_the_next_stage_and_deadline(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("close_contact", person)
    moved = ledger.post(
        f"/v1/entries/{opened['entry_id']}/moves", {"move": "place", "facts": {"site": "A1"}, "expected_version": 1}
    )
    assert moved.status_code == 200
    assert (moved.json()["version"], moved.json()["stage"], moved.json()["owner"]) == (2, "in_quarantine", STREET)
    [(headers, told)] = ledger.told("EntryMoved")
    assert (headers["ce_revision"], told.previous_stage, told.stage) == ("2", "found", "in_quarantine")
    assert len(ledger.told("EvidenceFound")) == 1


def test_closing_an_entry_ends_its_evidence(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("close_contact", person)
    path = f"/v1/entries/{opened['entry_id']}/moves"
    ledger.post(path, {"move": "place", "expected_version": 1})
    closed = ledger.post(path, {"move": "release", "expected_version": 2}).json()
    assert (closed["stage"], closed["next_deadline"]) == ("released", None)
    (_, found), (headers, ended) = ledger.told("EvidenceFound")
    assert ended.evidence_id == found.evidence_id
    assert headers["ce_revision"] == "2"
    assert (ended.outcome, ended.HasField("ended_at")) == ("quarantine_completed", True)
    [(headers, told)] = ledger.told("EntryClosed")
    assert (headers["ce_revision"], told.outcome) == ("3", "quarantine_completed")
    assert ledger.open("close_contact", person)["entry_id"] != opened["entry_id"]


def test_a_move_that_the_stage_does_not_allow_names_those_that_it_does(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("close_contact", person)
    refused = ledger.post(f"/v1/entries/{opened['entry_id']}/moves", {"move": "release", "expected_version": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "move_refused")
    assert "place" in refused.json()["detail"]


def test_a_move_that_only_a_colour_makes_is_refused_to_people(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("isolation", person)
    refused = ledger.post(f"/v1/entries/{opened['entry_id']}/moves", {"move": "follow_green", "expected_version": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "move_refused")


def test_a_stale_version_moves_nothing(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("close_contact", person)
    path = f"/v1/entries/{opened['entry_id']}/moves"
    ledger.post(path, {"move": "place", "expected_version": 1})
    stale = ledger.post(path, {"move": "release", "expected_version": 1})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    assert ledger.get(f"/v1/entries/{opened['entry_id']}").json()["version"] == 2


def test_of_two_who_move_at_once_by_the_same_version_one_is_stale(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("close_contact", person)
    gate, answers = threading.Barrier(2), []

    def move(name: str, facts: dict[str, str]) -> None:
        gate.wait()
        body = {"move": name, "facts": facts, "expected_version": 1}
        answers.append(ledger.post(f"/v1/entries/{opened['entry_id']}/moves", body).status_code)

    threads = [
        threading.Thread(target=move, args=("place", {})),
        threading.Thread(target=move, args=("refute", {"reason": "mistaken identity"})),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 412]
    assert len(ledger.told("EntryMoved")) + len(ledger.told("EntryClosed")) == 1


def test_of_two_who_open_at_once_one_is_told_of_the_other(ledger: Ledger, person: UUID) -> None:
    gate, answers = threading.Barrier(2), []

    def opening() -> None:
        gate.wait()
        answers.append(ledger.post("/v1/entries", case(person)).status_code)

    threads = [threading.Thread(target=opening) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 409]
    assert len(ledger.told("TraceRequested")) == 1


def test_the_definition_says_who_may_open_and_move(ledger: Ledger, person: UUID) -> None:
    refused = ledger.post("/v1/entries", case(person), role="community")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_refused")
    opened = ledger.open("close_contact", person)
    body = {"move": "refute", "facts": {"reason": "x"}, "expected_version": 1}
    assert ledger.post(f"/v1/entries/{opened['entry_id']}/moves", body, role="community").status_code == 403


def test_a_token_for_another_area_neither_opens_nor_moves_nor_reads(ledger: Ledger, person: UUID) -> None:
    assert ledger.post("/v1/entries", case(person), bound_to=OTHER_DISTRICT).status_code == 403
    assert ledger.rows("SELECT 1 FROM entry") == []
    opened = ledger.open("close_contact", person)
    entry = f"/v1/entries/{opened['entry_id']}"
    move = {"move": "place", "expected_version": 1}
    assert ledger.post(f"{entry}/moves", move, bound_to=OTHER_DISTRICT).status_code == 403
    assert ledger.get(entry, bound_to=OTHER_DISTRICT).status_code == 403
    assert ledger.get(f"/v1/people/{person}/file", bound_to=OTHER_DISTRICT).status_code == 403
    assert ledger.get("/v1/entries", bound_to=OTHER_DISTRICT).json()["entries"] == []


def test_entries_are_listed_by_subtree_stage_owner_and_page(ledger: Ledger) -> None:
    opened = [ledger.open("close_contact", uuid4())["entry_id"] for _ in range(5)]
    ledger.open("general_contact", uuid4(), area="440103001")
    first = ledger.get("/v1/entries", ledger="close_contact", area=DISTRICT, limit=3).json()
    second = ledger.get("/v1/entries", ledger="close_contact", limit=3, cursor=first["next_cursor"]).json()
    listed = [entry["entry_id"] for entry in first["entries"] + second["entries"]]
    assert sorted(listed) == sorted(opened)
    assert second["next_cursor"] is None
    assert len(ledger.get("/v1/entries", owner=STREET, stage="found").json()["entries"]) == 5
    assert ledger.get("/v1/entries", area=DISTRICT, bound_to="440103").status_code == 403
    assert len(ledger.get("/v1/entries", bound_to=STREET).json()["entries"]) == 5
    assert ledger.get("/v1/entries", overdue=True).json()["entries"] == []
    ledger.change("UPDATE entry SET next_deadline = now() - interval '1 hour' WHERE entry_id = %s", opened[0])
    assert [each["entry_id"] for each in ledger.get("/v1/entries", overdue=True).json()["entries"]] == [opened[0]]


def test_the_file_tells_everything_in_order_and_the_reading_is_logged(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("close_contact", person)
    path = f"/v1/entries/{opened['entry_id']}/moves"
    ledger.post(path, {"move": "place", "expected_version": 1}, role="community")
    ledger.post(path, {"move": "release", "expected_version": 2}, role="community")
    file = ledger.get(f"/v1/people/{person}/file", role="authority", bound_to=DISTRICT).json()
    assert [each["what"] for each in file["timeline"]] == [
        "opened",
        "evidence_found",
        "moved",
        "closed",
        "evidence_ended",
    ]
    assert [each.get("made_by") for each in file["timeline"] if "made_by" in each] == [
        "operator-1",
        "community-1",
        "community-1",
    ]
    logged = ledger.rows("SELECT subject, what, route FROM access_log WHERE person_ref = %s AND what = 'file'", person)
    assert logged == [("authority-1", "file", "/v1/people/{person_ref}/file")]
    assert ledger.get(f"/v1/people/{uuid4()}/file").status_code == 404


def test_the_definitions_are_read_as_data(ledger: Ledger) -> None:
    listed = ledger.get("/v1/ledgers").json()["ledgers"]
    assert {each["id"] for each in listed} == {"confirmed", "close_contact", "general_contact", "isolation"}
    confirmed = next(each for each in listed if each["id"] == "confirmed")
    assert confirmed["opening"]["facts"]["confirmed_at"]["required"] is True
    assert confirmed["stages"]["recovered"]["moves"] == {}


def ago(**time: float) -> str:
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


@pytest.mark.parametrize("dates", [lambda at: {"facts": {"confirmed_at": at}}, lambda at: {"opened_at": at}])
def test_a_case_of_three_hours_ago_is_an_hour_over_and_alarms(ledger: Ledger, person: UUID, dates: Any) -> None:
    opened = ledger.post("/v1/entries", case(person, **dates(ago(hours=3)))).json()
    over = datetime.now(UTC) - datetime.fromisoformat(opened["next_deadline"])
    assert timedelta(hours=1) <= over < timedelta(hours=1, minutes=2)
    check = deadline_check(ledger.parts.database, ledger.parts.city, ledger.parts.open_book, ledger.parts.clock)
    assert (check(), check()) == (1, 0)
    assert [alarm.kind for _, alarm in ledger.told("AlarmRaised")] == ["deadline_passed"]


def test_a_transfer_does_not_prolong_a_quarantine(ledger: Ledger, person: UUID) -> None:
    met_at = datetime.now(UTC) - timedelta(days=10)
    opened = ledger.open("close_contact", person, met_at=met_at.isoformat())
    path = f"/v1/entries/{opened['entry_id']}/moves"
    placed = ledger.post(path, {"move": "place", "facts": {"site": "A"}, "expected_version": 1}).json()
    moved = ledger.post(path, {"move": "transfer", "facts": {"site": "B"}, "expected_version": 2}).json()
    assert datetime.fromisoformat(placed["next_deadline"]) == met_at + timedelta(days=14)
    assert moved["next_deadline"] == placed["next_deadline"]


def test_an_entry_that_was_opened_under_an_amended_version_follows_the_amendment(ledger: Ledger, person: UUID) -> None:
    met_at = datetime.now(UTC) - timedelta(days=10)
    opened = ledger.open("close_contact", person, met_at=met_at.isoformat())
    ledger.change("UPDATE entry SET definition_version = 1")
    path = f"/v1/entries/{opened['entry_id']}/moves"
    placed = ledger.post(path, {"move": "place", "expected_version": 1}).json()
    assert datetime.fromisoformat(placed["next_deadline"]) == met_at + timedelta(days=14)
    assert ledger.get(f"/v1/entries/{opened['entry_id']}").json()["definition"] == "close_contact@1"


def test_facts_that_are_known_better_move_the_deadline_and_date_the_evidence_anew(ledger: Ledger) -> None:
    now, people = datetime.now(UTC), [uuid4() for _ in range(50)]
    for person in people:
        opened = ledger.open("close_contact", person, met_at=ago(days=10))
        ledger.post(f"/v1/entries/{opened['entry_id']}/moves", {"move": "place", "expected_version": 1})
    with ledger.parts.database.transaction() as tx:
        book = ledger.parts.open_book(tx)
        held = book.lock_open_entries_of(people)
        told = [(held[person][0], {"met_at": (now - timedelta(days=1)).isoformat()}) for person in people]
        renewed = renew(book, ledger.parts.city, told, Actor("test"), now)
    assert {entry.next_deadline for entry in renewed} == {now + timedelta(days=13)}
    assert ledger.rows("SELECT DISTINCT next_deadline, version FROM entry") == [(now + timedelta(days=13), 3)]
    assert ledger.rows("SELECT DISTINCT observed_at, revision FROM evidence") == [(now - timedelta(days=1), 2)]
    assert ledger.rows("SELECT count(*) FROM step WHERE move = 'renew' AND version = 3") == [(50,)]
    found = ledger.told("EvidenceFound")[-50:]
    assert {(headers["ce_revision"], told.HasField("ended_at")) for headers, told in found} == {("2", False)}
    assert {told.observed_at.ToDatetime(tzinfo=UTC) for _, told in found} == {now - timedelta(days=1)}
    assert {told.move for _, told in ledger.told("EntryMoved")[-50:]} == {"renew"}
    dated = "SELECT count(*) FROM journal_content WHERE content LIKE %s"
    assert ledger.rows(dated, "%evidence_dated%") == [(50,)]
