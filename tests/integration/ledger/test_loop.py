"""The loop: contacts become entries, colours open and close work, a stop and a passed deadline alarm somebody."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.ids import uuid7
from chassis.message import Message
from chassis.pseudonym import keyed_uuid
from services.ledger.deadlines import deadline_check
from tests.integration.ledger.conftest import (
    CITY,
    COMMUNITY,
    DISTRICT,
    OTHER_DISTRICT,
    STREET,
    Ledger,
    kinds,
    message,
)
from wire.checkpoints.v1 import events_pb2 as checkpoints
from wire.codes.v1 import events_pb2 as codes

GATE = "440103001"
NOW = datetime.now(UTC)


def confirm(ledger: Ledger, person: UUID) -> tuple[str, str]:
    """The entry of a new case and the trace it asked for."""
    opened = ledger.open("confirmed", person, confirmed_at=datetime.now(UTC).isoformat())
    [(trace,)] = ledger.rows("SELECT trace_id::text FROM trace WHERE entry_id = %s", opened["entry_id"])
    return opened["entry_id"], trace


def contact(person: UUID, grade: int = checkpoints.GRADE_CLOSE, *, at: datetime = NOW, scan: str = "") -> Any:
    found = checkpoints.Contact(
        person_ref=str(person),
        grade=grade,  # type: ignore[arg-type]
        checkpoint_id="11111111-1111-4111-8111-111111111111",
        kind="mall",
        area=GATE,
        apart_s=42.5,
        case_scan_id=str(uuid7()),
        contact_scan_id=scan or str(uuid7()),
    )
    found.met_at.FromDatetime(at)
    return found


def traced(entry: str, trace: str, person: UUID, *contacts: Any, part: int = 1) -> Message:
    told = checkpoints.ContactsTraced(
        trace_id=trace,
        entry_id=entry,
        person_ref=str(person),
        contacts=contacts,
        part=part,
        parts=part,
        tracing_rule="default@1",
    )
    return message(told, key=trace, subject=f"trace/{trace}", revision=part)


def colour(
    person: UUID, to: int, *, revision: int = 1, area: str = COMMUNITY, since: datetime | None = None
) -> Message:
    told = codes.ColourChanged(person_ref=str(person), colour=to, area=area)  # type: ignore[arg-type]
    told.since.FromDatetime(since or datetime.now(UTC))
    return message(told, key=str(person), subject=f"person/{person}", revision=revision)


def stopped(person: UUID | None, *, scan: str | None = None, at: datetime | None = None) -> Message:
    told = checkpoints.PersonStopped(
        scan_id=scan or str(uuid7()),
        person_ref=str(person) if person else "",
        checkpoint_id="22222222-2222-4222-8222-222222222222",
        area=GATE,
        colour="red",
    )
    told.scanned_at.FromDatetime(at or datetime.now(UTC))
    return message(told, key=str(person), subject=f"stop/{told.scan_id}")


def entries_of(ledger: Ledger, person: UUID) -> list[tuple[Any, ...]]:
    return ledger.rows("SELECT ledger, stage, owner, area FROM entry WHERE person_ref = %s ORDER BY entry_id", person)


def test_contacts_become_entries_with_owner_deadline_and_evidence(ledger: Ledger, person: UUID) -> None:
    close, general = uuid4(), uuid4()
    entry, trace = confirm(ledger, person)
    event = traced(entry, trace, person, contact(close), contact(general, checkpoints.GRADE_GENERAL))
    ledger.take(event)
    assert entries_of(ledger, close) == [("close_contact", "found", GATE, GATE)]
    assert entries_of(ledger, general) == [("general_contact", "found", GATE, GATE)]
    opened = {told.person_ref: told for _, told in ledger.told("EntryOpened")}[str(close)]
    assert (opened.caused_by_entry, opened.caused_by_event) == (entry, str(event.id))
    evidence = {told.person_ref: told for _, told in ledger.told("EvidenceFound")}
    assert evidence[str(close)].kind == "close_contact"
    assert evidence[str(general)].kind == "general_contact"
    assert evidence[str(close)].observed_at.ToDatetime(tzinfo=UTC) == NOW
    file = ledger.get(f"/v1/people/{close}/file").json()
    assert kinds(file["timeline"]) == ["opened", "evidence_found", "meeting"]
    assert file["timeline"][2]["checkpoint_id"] == "11111111-1111-4111-8111-111111111111"


def test_an_answer_that_arrives_twice_has_one_effect(ledger: Ledger, person: UUID) -> None:
    entry, trace = confirm(ledger, person)
    event = traced(entry, trace, person, contact(uuid4()))
    ledger.take(event)
    before = ledger.rows("SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM outbox), size FROM journal_head")
    ledger.take(event, event)
    after = ledger.rows("SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM outbox), size FROM journal_head")
    assert before == after


def test_a_contact_is_owned_where_they_live_once_codes_has_told(ledger: Ledger, person: UUID) -> None:
    met = uuid4()
    ledger.take(colour(met, codes.COLOUR_GREEN, area=COMMUNITY))
    entry, trace = confirm(ledger, person)
    ledger.take(traced(entry, trace, person, contact(met)))
    assert entries_of(ledger, met) == [("close_contact", "found", STREET, COMMUNITY)]


def test_a_contact_who_stands_in_a_stronger_ledger_gets_no_second_entry(ledger: Ledger, person: UUID) -> None:
    met = uuid4()
    own = ledger.open("close_contact", met)
    entry, trace = confirm(ledger, person)
    ledger.take(traced(entry, trace, person, contact(met, checkpoints.GRADE_GENERAL), contact(met)))
    assert len(entries_of(ledger, met)) == 1
    meetings = ledger.rows("SELECT contact_entry::text, grade FROM meeting ORDER BY grade")
    assert meetings == [(own["entry_id"], "close"), (own["entry_id"], "general")]


def test_a_general_contact_who_was_close_after_all_gets_the_stronger_entry(ledger: Ledger, person: UUID) -> None:
    met = uuid4()
    entry, trace = confirm(ledger, person)
    ledger.take(traced(entry, trace, person, contact(met, checkpoints.GRADE_GENERAL)))
    ledger.take(traced(entry, trace, person, contact(met), part=2))
    assert [ledger for ledger, *_ in entries_of(ledger, met)] == ["general_contact", "close_contact"]


def test_a_contact_who_was_let_go_is_not_opened_again_by_the_same_meeting(ledger: Ledger, person: UUID) -> None:
    met = uuid4()
    entry, trace = confirm(ledger, person)
    once = contact(met)
    ledger.take(traced(entry, trace, person, once))
    [(own,)] = ledger.rows("SELECT entry_id::text FROM entry WHERE person_ref = %s", met)
    refute = {"move": "refute", "facts": {"reason": "another person's phone"}, "expected_version": 1}
    assert ledger.post(f"/v1/entries/{own}/moves", refute).status_code == 200
    ledger.take(traced(entry, trace, person, once, part=2))
    assert len(entries_of(ledger, met)) == 1
    ledger.take(traced(entry, trace, person, contact(met), part=3))
    assert len(entries_of(ledger, met)) == 2


def test_a_case_is_never_its_own_contact(ledger: Ledger, person: UUID) -> None:
    entry, trace = confirm(ledger, person)
    ledger.take(traced(entry, trace, person, contact(person)))
    assert [name for name, *_ in entries_of(ledger, person)] == ["confirmed"]
    assert ledger.rows("SELECT 1 FROM meeting") == []


def test_a_case_that_was_refuted_makes_no_contacts(ledger: Ledger, person: UUID) -> None:
    met = uuid4()
    entry, trace = confirm(ledger, person)
    refute = {"move": "refute", "facts": {"reason": "the second test"}, "expected_version": 1}
    assert ledger.post(f"/v1/entries/{entry}/moves", refute, role="authority").status_code == 200
    ledger.take(traced(entry, trace, person, contact(met)))
    assert entries_of(ledger, met) == []
    assert len(ledger.rows("SELECT 1 FROM meeting")) == 1


def test_a_trace_that_nobody_here_asked_for_opens_nothing(ledger: Ledger, person: UUID) -> None:
    met = uuid4()
    ledger.take(traced(str(uuid7()), str(uuid7()), person, contact(met)))
    assert entries_of(ledger, met) == []


def test_five_hundred_contacts_a_part_are_entries_in_an_unbroken_journal(
    ledger: Ledger, person: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints how long the best of three parts took."""
    entry, trace = confirm(ledger, person)
    took_s = []
    for part in (1, 2, 3):
        event = traced(entry, trace, person, *(contact(uuid4()) for _ in range(500)), part=part)
        began = time.perf_counter()
        ledger.take(event)
        took_s.append(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\n500 contacts opened as entries in {min(took_s) * 1000:.0f} ms")
    assert ledger.rows("SELECT count(*) FROM entry WHERE ledger = 'close_contact'") == [(1500,)]
    assert ledger.rows("SELECT size = (SELECT count(*) FROM journal_content) FROM journal_head") == [(True,)]


@pytest.mark.parametrize(
    ("to", "stage", "days"), [(codes.COLOUR_YELLOW, "seven_days", 7), (codes.COLOUR_RED, "fourteen_days", 14)]
)
def test_a_colour_without_an_entry_opens_one(ledger: Ledger, person: UUID, to: int, stage: str, days: int) -> None:
    ledger.take(colour(person, to))
    assert entries_of(ledger, person) == [("isolation", stage, COMMUNITY, COMMUNITY)]
    [(deadline,)] = ledger.rows("SELECT next_deadline FROM entry")
    assert timedelta(0) <= datetime.now(UTC) + timedelta(days=days) - deadline < timedelta(minutes=1)
    assert ledger.told("EvidenceFound") == []


def test_a_colour_without_a_residence_is_the_city_s_work(ledger: Ledger, person: UUID) -> None:
    ledger.take(colour(person, codes.COLOUR_RED, area=""))
    assert entries_of(ledger, person) == [("isolation", "fourteen_days", CITY, CITY)]


def test_red_after_yellow_extends_and_green_lets_go(ledger: Ledger, person: UUID) -> None:
    ledger.take(colour(person, codes.COLOUR_YELLOW))
    ledger.take(colour(person, codes.COLOUR_RED, revision=2))
    assert [stage for _, stage, *_ in entries_of(ledger, person)] == ["fourteen_days"]
    ledger.take(colour(person, codes.COLOUR_LAPSED, revision=3))
    ledger.take(colour(person, codes.COLOUR_GREEN, revision=4))
    assert [stage for _, stage, *_ in entries_of(ledger, person)] == ["released_by_colour"]
    [(headers, closed)] = ledger.told("EntryClosed")
    assert (headers["ce_revision"], closed.outcome) == ("3", "released_by_colour")


def test_a_person_s_colours_in_one_batch_keep_their_order(ledger: Ledger, person: UUID) -> None:
    other = uuid4()
    ledger.take(
        colour(person, codes.COLOUR_YELLOW),
        colour(other, codes.COLOUR_RED),
        colour(person, codes.COLOUR_GREEN, revision=2),
        colour(person, codes.COLOUR_RED, revision=3),
    )
    assert {stage for _, stage, *_ in entries_of(ledger, person)} == {"released_by_colour", "fourteen_days"}
    assert [stage for _, stage, *_ in entries_of(ledger, other)] == ["fourteen_days"]


def test_a_contact_s_colour_opens_no_isolation_beside_the_entry(ledger: Ledger, person: UUID) -> None:
    """Evidence is told after the entry is kept, so the colour that it causes finds the entry."""
    met = uuid4()
    entry, trace = confirm(ledger, person)
    ledger.take(traced(entry, trace, person, contact(met)))
    ledger.take(colour(met, codes.COLOUR_RED), colour(person, codes.COLOUR_RED))
    assert [name for name, *_ in entries_of(ledger, met)] == ["close_contact"]
    assert [name for name, *_ in entries_of(ledger, person)] == ["confirmed"]
    ledger.take(colour(met, codes.COLOUR_GREEN, revision=2))
    assert [stage for _, stage, *_ in entries_of(ledger, met)] == ["found"]


def test_a_stop_alarms_the_owner_and_the_gate_s_district(ledger: Ledger, person: UUID) -> None:
    entry, trace = confirm(ledger, uuid4())
    met = uuid4()
    ledger.take(colour(met, codes.COLOUR_GREEN))
    ledger.take(traced(entry, trace, person, contact(met)))
    stop = stopped(met)
    ledger.take(stop)
    [(headers, alarm)] = ledger.told("AlarmRaised")
    assert (alarm.kind, alarm.owner, alarm.area) == ("person_stopped", STREET, GATE)
    assert headers["ce_district"] == OTHER_DISTRICT
    for area in (STREET, OTHER_DISTRICT):
        shown = ledger.get("/v1/alarms", bound_to=area).json()["alarms"]
        assert [each["alarm_id"] for each in shown] == [alarm.alarm_id]
    assert ledger.get("/v1/alarms", area=COMMUNITY).json()["alarms"] == []
    again = message(checkpoints.PersonStopped.FromString(stop.payload), key=str(met), subject=stop.subject, revision=2)
    ledger.take(again)
    assert len(ledger.told("AlarmRaised")) == 1


def test_who_was_stopped_too_long_ago_alarms_nobody(ledger: Ledger) -> None:
    """A ledger that was away for days: nobody is at that gate any more, and the log may not tell of the scan again."""
    young, old = (datetime.now(UTC) - timedelta(days=days) for days in (7.9, 8.1))
    ledger.take(stopped(uuid4(), scan="old", at=old), stopped(uuid4(), scan="young", at=young))
    assert [alarm.scan_id for _, alarm in ledger.told("AlarmRaised")] == ["young"]


def fever(scan: str, person: UUID | None = None, *, revision: int = 1) -> Message:
    told = checkpoints.FeverFlagged(scan_id=scan, area=GATE, checkpoint_id="c", temperature_c=38.2)
    told.person_ref = str(person) if person else ""
    told.scanned_at.GetCurrentTime()
    return message(told, key=str(person or scan), subject=f"fever/{scan}", revision=revision)


def let_in(person: UUID | None, *, decision: str = "stop", taken: str = "pass", revision: int = 1) -> Message:
    told = checkpoints.OfflineDecisionDiffered(
        scan_id=str(uuid7()),
        person_ref=str(person) if person else "",
        checkpoint_id="22222222-2222-4222-8222-222222222222",
        area=GATE,
        decision=decision,
        taken_decision=taken,
    )
    told.scanned_at.GetCurrentTime()
    return message(told, key=str(person), subject=f"difference/{told.scan_id}", revision=revision)


def test_who_was_let_in_without_a_network_and_is_stopped_by_the_server_alarms_the_owner(
    ledger: Ledger, person: UUID
) -> None:
    entry, trace = confirm(ledger, uuid4())
    met = uuid4()
    ledger.take(colour(met, codes.COLOUR_GREEN))
    ledger.take(traced(entry, trace, person, contact(met)))
    others = [let_in(met, decision="pass", taken="check"), let_in(None)]
    ledger.take(let_in(met), let_in(met, taken="check"), let_in(met, taken="stop"), *others)
    [(_, alarm)] = ledger.told("AlarmRaised")
    assert (alarm.kind, alarm.owner, alarm.area) == ("let_in_offline", STREET, GATE)


def test_a_fever_whose_person_is_known_later_alarms_the_owner_besides_the_district(
    ledger: Ledger, person: UUID
) -> None:
    entry, trace = confirm(ledger, uuid4())
    met = uuid4()
    ledger.take(colour(met, codes.COLOUR_GREEN))
    ledger.take(traced(entry, trace, person, contact(met)))
    ledger.take(fever(first := str(uuid7())), fever(first, met, revision=2))
    assert [(alarm.owner, alarm.person_ref, alarm.about) for _, alarm in ledger.told("AlarmRaised")] == [
        (OTHER_DISTRICT, "", ""),
        (STREET, str(met), f"scan/{first}"),
    ]
    ledger.take(fever(second := str(uuid7())), fever(second, uuid4(), revision=2))
    assert [alarm.owner for _, alarm in ledger.told("AlarmRaised")][2:] == [OTHER_DISTRICT]


def test_a_fever_that_is_told_with_its_person_first_alarms_the_district_all_the_same(ledger: Ledger) -> None:
    """The two have different keys, so nothing keeps their order; the later revision puts the earlier one aside."""
    scan = str(uuid7())
    ledger.take(fever(scan, uuid4(), revision=2))
    ledger.take(fever(scan))
    assert [(alarm.owner, alarm.scan_id) for _, alarm in ledger.told("AlarmRaised")] == [(OTHER_DISTRICT, scan)]


def test_a_stop_of_somebody_without_an_entry_alarms_the_gate_s_district(ledger: Ledger) -> None:
    ledger.take(stopped(uuid4()), fever(str(uuid7())))
    alarms = [alarm for _, alarm in ledger.told("AlarmRaised")]
    assert [(alarm.kind, alarm.owner, alarm.entry_id) for alarm in alarms] == [
        ("person_stopped", OTHER_DISTRICT, ""),
        ("fever", OTHER_DISTRICT, ""),
    ]


def test_a_passed_deadline_alarms_the_area_above_once(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("close_contact", person)
    check = deadline_check(ledger.parts.database, ledger.parts.city, ledger.parts.open_book, ledger.parts.clock)
    assert check() == 0
    ledger.change("UPDATE entry SET next_deadline = now() - interval '1 second'")
    assert (check(), check()) == (1, 0)
    [(_, alarm)] = ledger.told("AlarmRaised")
    assert (alarm.kind, alarm.entry_id, alarm.owner) == ("deadline_passed", opened["entry_id"], DISTRICT)
    assert ledger.get(f"/v1/entries/{opened['entry_id']}").json()["owner"] == STREET
    ledger.change("UPDATE entry SET next_deadline = now() - interval '1 minute'")
    assert check() == 1


def held(entry: str, trace: str, person: UUID, *, contacts: int = 1200, area: str = COMMUNITY) -> Message:
    told = checkpoints.TraceHeld(
        trace_id=trace, entry_id=entry, person_ref=str(person), contacts=contacts, contacts_max=1000, area=area
    )
    return message(told, key=trace, subject=f"trace/{trace}", revision=1)


def test_the_pseudonym_of_who_opened_a_case_travels_with_its_trace(ledger: Ledger, person: UUID) -> None:
    confirm(ledger, person)
    [(headers, asked)] = ledger.told("TraceRequested")
    assert asked.requested_by == str(keyed_uuid(ledger.parts.city_key, "requester", "operator-1"))
    assert "operator-1" not in str(asked), "who it is, is told to nobody who has not the city's key"
    assert (asked.area, headers["ce_revision"]) == (COMMUNITY, "1")


def test_a_held_trace_alarms_the_case_s_district_and_stands_in_the_file_until_it_is_answered(
    ledger: Ledger, person: UUID
) -> None:
    entry, trace = confirm(ledger, person)
    assert ledger.get(f"/v1/entries/{entry}").json()["trace"] == {"trace_id": trace, "state": "asked"}
    event = held(entry, trace, person)
    ledger.take(event, event)
    [(_, alarm)] = ledger.told("AlarmRaised")
    assert (alarm.kind, alarm.owner, alarm.area, alarm.entry_id) == ("trace_held", DISTRICT, COMMUNITY, entry)
    assert (alarm.about, alarm.person_ref) == (f"trace/{trace}", str(person))
    [read] = ledger.get("/v1/alarms", role="approver", bound_to=DISTRICT).json()["alarms"]
    assert (read["kind"], read["about"]) == ("trace_held", f"trace/{trace}")
    waiting = {"trace_id": trace, "state": "held", "contacts_held": 1200}
    file = ledger.get(f"/v1/people/{person}/file").json()
    assert file["entries"][0]["trace"] == ledger.get("/v1/entries").json()["entries"][0]["trace"] == waiting
    [asked] = [each for each in file["timeline"] if each["what"] == "trace_requested"]
    assert (asked["state"], asked["held_contacts"]) == ("held", 1200)
    assert "alarm" in kinds(file["timeline"])

    ledger.take(traced(entry, trace, person, contact(uuid4()), part=2))
    assert ledger.get(f"/v1/entries/{entry}").json()["trace"] == {"trace_id": trace, "state": "answered"}
    assert len(ledger.get("/v1/alarms").json()["alarms"]) == 1


def test_a_held_trace_that_an_official_asked_for_alarms_too(ledger: Ledger, person: UUID) -> None:
    for area, owner in ((GATE, OTHER_DISTRICT), ("", CITY), ("9999", CITY)):
        ledger.take(held("", str(uuid7()), person, area=area))
        assert ledger.told("AlarmRaised")[-1][1].owner == owner


def test_repeated_stops_of_one_person_at_one_place_are_one_open_alarm_counted(ledger: Ledger, person: UUID) -> None:
    first = datetime.now(UTC) - timedelta(minutes=10)
    ledger.take(stopped(person, at=first), stopped(person, at=first + timedelta(minutes=2)))
    ledger.take(stopped(person, at=first + timedelta(minutes=1)))
    other = uuid4()
    ledger.take(stopped(other, at=first), stopped(None, at=first), stopped(None, at=first))
    assert len(ledger.told("AlarmRaised")) == 4, "of somebody else, and of nobody in particular, there are others"
    [alarm] = [each for each in ledger.get("/v1/alarms").json()["alarms"] if each["person_ref"] == str(person)]
    assert (alarm["count"], datetime.fromisoformat(alarm["last_at"])) == (3, first + timedelta(minutes=2))
    assert ledger.get(f"/v1/people/{person}/file").json()["timeline"][0]["count"] == 3

    ledger.change("UPDATE alarm SET raised_at = raised_at - interval '13 h', last_at = last_at - interval '13 h'")
    ledger.take(stopped(person))
    counts = ledger.rows("SELECT count FROM alarm WHERE person_ref = %s ORDER BY alarm_id", person)
    assert counts == [(3,), (1,)], "who is stopped there again another day has an alarm again"


def test_a_repeat_elsewhere_or_under_another_owner_is_another_alarm(ledger: Ledger, person: UUID) -> None:
    ledger.take(stopped(person))
    elsewhere = checkpoints.PersonStopped(
        scan_id=str(uuid7()), person_ref=str(person), checkpoint_id="33333333-3333-4333-8333-333333333333", area=GATE
    )
    elsewhere.scanned_at.GetCurrentTime()
    ledger.take(message(elsewhere, key=str(person), subject=f"stop/{elsewhere.scan_id}"))
    ledger.open("close_contact", person)
    ledger.take(stopped(person))
    owners = ledger.rows("SELECT owner, count FROM alarm ORDER BY alarm_id")
    assert owners == [(OTHER_DISTRICT, 1), (OTHER_DISTRICT, 1), (STREET, 1)]
