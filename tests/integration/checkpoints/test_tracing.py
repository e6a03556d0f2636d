"""Traces over recorded scans, asked for by the ledger through the log, and by officials over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from chassis.ids import uuid7
from services.checkpoints import messages
from tests.integration.checkpoints.test_worker import read_events
from tests.integration.checkpoints.town import GREEN, envelope, scan, turning, wait_for
from wire.checkpoints.v1 import events_pb2 as wire
from wire.ledger.v1 import events_pb2 as ledger_wire

NOON = datetime.now(UTC) - timedelta(hours=30)


@pytest.fixture
def visit(client, gate, codes, person, running, sql) -> Callable[..., UUID]:
    """Somebody at a checkpoint; the same person again when a name is given again."""
    people: dict[str, tuple[UUID, int]] = {}

    def visited(name: str, place: UUID, minutes: float = 0, *, plate: str | None = None) -> UUID:
        if name not in people:
            people[name] = person(GREEN)
            wait_for(lambda: sql("SELECT 1 FROM holder WHERE person_ref = %s", people[name][0]))
        person_ref, idx = people[name]
        at = NOON + timedelta(minutes=minutes)
        credential = {"pass": codes.mint(idx, at=at)} | ({"plate": plate} if plate else {})
        answer = client.post("/v1/scans", json=scan(place, at=at, credential=credential), headers=gate(place))
        assert answer.json()["colour"] == "green"
        return person_ref

    return visited


@pytest.fixture
def ask(event_log) -> Callable[..., tuple[UUID, list[wire.ContactsTraced]]]:
    """The ledger asks for a trace of the day."""

    def asked(person_ref: UUID, trace_id: UUID | None = None, *, days: int = 14) -> UUID:
        trace_id = trace_id or uuid7()
        request = ledger_wire.TraceRequested(trace_id=str(trace_id), entry_id="entry-1", person_ref=str(person_ref))
        getattr(request, "from").FromDatetime(NOON - timedelta(days=days))
        request.to.FromDatetime(NOON + timedelta(days=1))
        publisher = event_log.publisher()
        record = envelope(
            messages.LEDGER_TOPIC,
            str(trace_id),
            messages.TRACE_REQUESTED,
            f"trace/{trace_id}",
            1,
            request.SerializeToString(),
        )
        assert publisher.publish([record]) == [True]
        publisher.close()
        return trace_id

    return asked


@pytest.fixture
def parts(event_log):
    """The parts of a trace told so far, in order."""

    def told(trace_id: UUID) -> list[wire.ContactsTraced]:
        events = read_events(event_log, messages.TRACES_TOPIC)
        own = [each for each in events if each[0] == "ContactsTraced" and each[1] == str(trace_id)]
        revisions = [int(each[2]["ce_revision"]) for each in own]
        assert revisions == sorted(set(revisions))
        return [wire.ContactsTraced.FromString(each[3]) for each in own]

    return told


def contacts(traced: list[wire.ContactsTraced]) -> dict[str, int]:
    return {contact.person_ref: contact.grade for part in traced for contact in part.contacts}


def test_the_contacts_of_a_case_with_where_when_and_how_far_apart(register, visit, ask, parts):
    mall, metro, compound = register("mall"), register("metro"), register("compound")
    case = visit("case", mall, 0)
    visit("case", metro, 200)
    visit("case", compound, 300)
    near, late = visit("near", mall, 20), visit("late", mall, -29)
    rider = visit("rider", metro, 201.5)
    for stranger, place, minute in (("a", mall, 31), ("b", metro, 203), ("c", compound, 300), ("d", metro, 0)):
        visit(stranger, place, minute)
    visit("both", metro, 199)
    both = visit("both", mall, 5)

    trace_id = ask(case)
    [part] = wait_for(lambda: parts(trace_id))

    assert (part.part, part.parts, part.entry_id, part.person_ref) == (1, 1, "entry-1", str(case))
    assert part.tracing_rule == "default@1"
    close, general = wire.GRADE_CLOSE, wire.GRADE_GENERAL
    assert contacts([part]) == {str(near): close, str(late): close, str(rider): general, str(both): close}
    met = {contact.person_ref: contact for contact in part.contacts}
    assert met[str(near)].apart_s == 20 * 60
    assert met[str(near)].checkpoint_id == str(mall)
    assert met[str(rider)].met_at.ToDatetime(UTC) == NOON + timedelta(minutes=201.5)


def test_people_of_the_same_vehicle_are_contacts_and_of_the_next_are_not(register, visit, ask, parts, client, issuer):
    first_stop, next_stop = register("bus"), register("bus")
    case = visit("case", first_stop, 0, plate="粤A11111")
    rider = visit("rider", next_stop, 25, plate="粤A11111")
    visit("other", first_stop, 1, plate="粤A22222")
    visit("walker", first_stop, 0)
    trace_id = ask(case)
    told = wait_for(lambda: parts(trace_id))
    assert contacts(told) == {str(rider): wire.GRADE_CLOSE}
    vehicle_ref = told[0].contacts[0].vehicle_ref
    [read] = client.get(f"/v1/traces/{trace_id}/contacts", headers=issuer.headers("authority")).json()["contacts"]
    assert (read["by"], read["vehicle_ref"], read["checkpoint_id"]) == ("vehicle", vehicle_ref, str(next_stop))
    assert read["apart_s"] == 25 * 60


def test_an_authority_reads_how_each_contact_was_met(register, visit, ask, parts, client, issuer, sql):
    mall, elsewhere = register("mall", area="440103001"), register("mall", area="440104001")
    case = visit("case", mall, 0)
    visit("case", elsewhere, 90)
    people = {str(visit(f"near {n}", mall, n)) for n in range(1, 4)}
    far = str(visit("far", elsewhere, 80))
    trace_id = ask(case)
    wait_for(lambda: parts(trace_id))

    def read(area: str = "4401", **params: object) -> dict[str, Any]:
        headers = issuer.headers("authority", area=area)
        answer = client.get(f"/v1/traces/{trace_id}/contacts", params=params, headers=headers)
        assert answer.status_code == 200
        return answer.json()

    found = {each["person_ref"]: each for each in read()["contacts"]}
    assert found.keys() == people | {far}
    assert read("440104")["contacts"] == [found[far]]
    meeting = found[far]
    scans = dict(sql("SELECT scan_id::text, person_ref FROM scan"))
    assert (scans[meeting["case_scan_id"]], str(scans[meeting["contact_scan_id"]])) == (case, far)
    assert datetime.fromisoformat(meeting["met_at"]) == NOON + timedelta(minutes=80)
    told = {"by": "checkpoint", "vehicle_ref": None, "checkpoint_id": str(elsewhere), "kind": "mall", "grade": "close"}
    assert meeting.items() >= told.items()
    assert meeting["apart_s"] == 600

    first = read(limit=3)
    second = read(limit=3, cursor=first["next_cursor"])
    assert [each["person_ref"] for each in first["contacts"] + second["contacts"]] == sorted(found)
    assert second["next_cursor"] is None
    looks = sql("SELECT person_ref FROM access_log WHERE what = 'contacts of a trace'")
    assert looks == [(case,)] * 4
    for role in ("operator", "gate", "citizen"):
        assert client.get(f"/v1/traces/{trace_id}/contacts", headers=issuer.headers(role)).status_code == 403


def test_a_case_who_met_nobody_is_answered_too(register, visit, ask, parts):
    trace_id = ask(visit("case", register("mall")))
    [part] = wait_for(lambda: parts(trace_id))
    assert (part.part, part.parts, list(part.contacts)) == (1, 1, [])


def test_a_request_that_comes_twice_is_answered_once(register, visit, ask, parts, sql):
    case = visit("case", register("mall"))
    trace_id = ask(case)
    wait_for(lambda: parts(trace_id))
    ask(case, trace_id)
    other = ask(case)
    wait_for(lambda: parts(other))
    assert len(parts(trace_id)) == 1
    assert sql("SELECT count(*) FROM trace") == [(2,)]


def test_scans_whose_persons_have_just_become_known_are_found_with_the_first_part(
    client, register, gate, codes, person, worker, sql, ask, parts
):
    """Who enrols and rides within a second is scanned before the worker knows who holds the entry."""
    mall, (case, case_idx), (contact, contact_idx) = register("mall"), person(GREEN), person(GREEN)
    for minute, idx in enumerate((case_idx, contact_idx)):
        at = NOON + timedelta(minutes=minute)
        shown = {"pass": codes.mint(idx, at=at)}
        client.post("/v1/scans", json=scan(mall, at=at, credential=shown), headers=gate(mall))
    assert sql("SELECT person_ref FROM scan") == [(None,), (None,)]
    worker.holders.catch_up()
    with turning(worker, "topics", "relay", "consumer"):
        trace_id = ask(case)
        [part] = wait_for(lambda: parts(trace_id))
    assert contacts([part]) == {str(contact): wire.GRADE_CLOSE}


def test_a_late_scan_of_a_contact_adds_a_part_with_only_what_is_new(register, visit, ask, parts):
    mall = register("mall")
    case = visit("case", mall, 0)
    known = visit("known", mall, 5)
    trace_id = ask(case)
    assert contacts(wait_for(lambda: parts(trace_id))) == {str(known): wire.GRADE_CLOSE}
    visit("known", mall, 1)
    visit("stranger", mall, 40)
    late = visit("late", mall, 10)
    first, second = wait_for(lambda: len(parts(trace_id)) == 2 and parts(trace_id))
    assert (second.part, second.parts) == (2, 2)
    assert contacts([second]) == {str(late): wire.GRADE_CLOSE}
    assert contacts([first]) == {str(known): wire.GRADE_CLOSE}


def test_a_late_scan_of_the_case_itself_adds_whom_it_met_and_upgrades(register, visit, ask, parts):
    metro, mall = register("metro"), register("mall")
    case = visit("case", metro, 0)
    rider = visit("rider", metro, 1)
    visit("rider", mall, 90)
    shopper = visit("shopper", mall, 95)
    trace_id = ask(case)
    assert contacts(wait_for(lambda: parts(trace_id))) == {str(rider): wire.GRADE_GENERAL}
    visit("case", mall, 100)
    second = wait_for(lambda: len(parts(trace_id)) == 2 and parts(trace_id))[1]
    assert contacts([second]) == {str(rider): wire.GRADE_CLOSE, str(shopper): wire.GRADE_CLOSE}
    newcomer = visit("newcomer", mall, 110)
    third = wait_for(lambda: len(parts(trace_id)) == 3 and parts(trace_id))[2]
    assert contacts([third]) == {str(newcomer): wire.GRADE_CLOSE}


def crowd(sql_url: str, place: UUID, people: int) -> None:
    """Many people at one place around noon, written as the scan log writes them."""
    with psycopg.connect(sql_url, autocommit=True) as connection, connection.cursor() as cursor:
        at = NOON + timedelta(minutes=3)
        cursor.executemany(
            "INSERT INTO scan (scan_id, checkpoint_id, scanned_at, recorded_at, person_ref, decision, colour, "
            "policy_version, board_revision, is_self_reported, digest) "
            "VALUES (%s, %s, %s, %s, %s, 'pass', 'green', 'default@1', 1, false, '')",
            [(uuid7(at), place, at, at, uuid4()) for _ in range(people)],
        )


def test_many_contacts_come_in_parts_of_five_hundred(register, visit, ask, parts, settings):
    mall = register("mall")
    case = visit("case", mall, 0)
    crowd(settings.database_url, mall, 1000)
    trace_id = ask(case)
    told = wait_for(lambda: len(parts(trace_id)) == 2 and parts(trace_id))
    assert [(each.part, each.parts, len(each.contacts)) for each in told] == [(1, 2, 500), (2, 2, 500)]


def test_more_than_a_thousand_contacts_wait_for_a_second_person(
    register, visit, ask, parts, settings, event_log, client, issuer
):
    mall = register("mall")
    case = visit("case", mall, 0)
    crowd(settings.database_url, mall, 1001)
    trace_id = ask(case)

    def held():
        events = read_events(event_log, messages.TRACES_TOPIC)
        return [wire.TraceHeld.FromString(each[3]) for each in events if each[0] == "TraceHeld"]

    [told] = wait_for(held)
    assert (told.trace_id, told.contacts, told.contacts_max) == (str(trace_id), 1001, 1000)
    path = f"/v1/traces/{trace_id}"
    state = client.get(path, headers=issuer.headers("authority")).json()
    assert (state["status"], state["contacts"], state["parts"]) == ("held", 1001, 0)
    visit("late", mall, 4)
    wait_for(lambda: client.get(path, headers=issuer.headers("authority")).json()["contacts"] == 1002)
    assert parts(trace_id) == []
    assert len(held()) == 1

    assert client.post(f"{path}/approval", headers=issuer.headers("authority")).status_code == 403
    answer = client.post(f"{path}/approval", headers=issuer.headers("approver"))
    assert (answer.status_code, answer.json()["status"]) == (200, "answered")
    told = wait_for(lambda: len(parts(trace_id)) == 3 and parts(trace_id))
    assert len(contacts(told)) == 1002
    again = client.post(f"{path}/approval", headers=issuer.headers("approver"))
    assert (again.status_code, again.json()["code"]) == (409, "trace_not_held")


def test_an_official_asks_and_cannot_approve_it_himself(register, visit, settings, client, issuer, parts):
    mall = register("mall")
    case = visit("case", mall, 0)
    crowd(settings.database_url, mall, 1001)
    body = {
        "person_ref": str(case),
        "from": (NOON - timedelta(days=1)).isoformat(),
        "to": (NOON + timedelta(days=1)).isoformat(),
    }
    answer = client.post("/v1/traces", json=body, headers=issuer.headers("authority", sub="zhang"))
    assert (answer.status_code, answer.json()["status"]) == (202, "held")
    path = f"/v1/traces/{answer.json()['trace_id']}/approval"
    refused = client.post(path, headers=issuer.headers("approver", sub="zhang"))
    assert (refused.status_code, refused.json()["code"]) == (403, "second_person_needed")
    assert client.post(path, headers=issuer.headers("approver", sub="li")).status_code == 200
    assert len(wait_for(lambda: len(found := parts(UUID(answer.json()["trace_id"]))) == 3 and found)) == 3


def test_a_trace_that_makes_no_sense_is_refused(client, issuer):
    good = {"person_ref": str(uuid4()), "from": "2022-11-01T00:00:00Z", "to": "2022-11-10T00:00:00Z"}
    headers = issuer.headers("authority")
    for field, change in (
        ("from", {"from": "2022-11-20T00:00:00Z"}),
        ("from", {"from": "2000-01-01T00:00:00Z"}),
        ("from", {"from": "0001-01-01T00:00:00+14:00", "to": "0001-01-02T00:00:00Z"}),
        ("from", {"from": "9999-12-31T00:00:00Z", "to": "9999-12-31T23:59:59-14:00"}),
        ("from", {"from": "2022-11-01T00:00:00"}),
        ("from", {"from": "2998-12-30T00:00:00Z", "to": "2999-01-01T00:00:00Z"}),
        ("person_ref", {"person_ref": "somebody"}),
        ("why", {"why": "curious"}),
    ):
        answer = client.post("/v1/traces", json=good | change, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].endswith(field)
    assert client.post("/v1/traces", json=good, headers=issuer.headers("operator")).status_code == 403
    missing = client.get(f"/v1/traces/{uuid4()}", headers=headers)
    assert (missing.status_code, missing.json()["code"]) == (404, "trace_not_found")
