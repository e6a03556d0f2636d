"""Traces over recorded scans, asked for by the ledger through the log, and by officials over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from chassis.ids import uuid7
from guanka.doctor import held_traces
from services.checkpoints import messages
from services.checkpoints.domain.facts import official_of
from tests.integration.checkpoints.test_worker import read_events
from tests.integration.checkpoints.town import CITY_KEY, GREEN, envelope, scan, turning, wait_for
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

    def asked(
        person_ref: UUID,
        trace_id: UUID | None = None,
        *,
        days: int = 14,
        by: str = "doctor",
        area: str = "440103001",
        revision: int = 1,
    ) -> UUID:
        trace_id = trace_id or uuid7()
        request = ledger_wire.TraceRequested(
            trace_id=str(trace_id),
            entry_id="entry-1",
            person_ref=str(person_ref),
            requested_by=str(official_of(bytes.fromhex(CITY_KEY), by).pseudonym) if by else "",
            area=area,
        )
        getattr(request, "from").FromDatetime(NOON - timedelta(days=days))
        request.to.FromDatetime(NOON + timedelta(days=1))
        publisher = event_log.publisher()
        record = envelope(
            messages.LEDGER_TOPIC,
            str(trace_id),
            messages.TRACE_REQUESTED,
            f"trace/{trace_id}",
            revision,
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
    looks = sql(
        "SELECT person_ref::text, subject, roles, area, is_refused FROM access_log WHERE what LIKE 'contacts%%'"
    )
    first_look = [(who, "authority-1", "authority", "4401", False) for who in sorted({str(case), *found})]
    assert looks[:5] == first_look, "the case and everybody shown, in the same transaction"
    assert looks[5:7] == [(who, "authority-1", "authority", "440104", False) for who in sorted({str(case), far})]
    assert len(looks) == 5 + 2 + 4 + 2
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
    client, composed, register, gate, codes, topic, worker, sql, ask, parts
):
    """Their change was lost, and the board fetched the list: it has their colours, and nobody knows who they are."""
    mall, (case, case_idx), (contact, contact_idx) = register("mall"), codes.enrol(GREEN), codes.enrol(GREEN)
    topic.beat()
    wait_for(lambda: composed.board.revisions().get(1) == codes.revision[1])
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
    visit("known", mall, 4)
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


def met_at(part: wire.ContactsTraced) -> list[tuple[str, int, datetime]]:
    return [(each.person_ref, each.grade, each.met_at.ToDatetime(UTC)) for each in part.contacts]


def test_a_contact_is_dated_by_the_last_meeting_though_an_earlier_one_was_nearer(register, visit, ask, parts):
    """Field case 1: days ago one second apart, now twenty seconds apart."""
    metro, days = register("metro"), 5 * 24 * 60
    case = visit("case", metro, -days)
    rider = visit("rider", metro, -days + 1 / 60)
    visit("case", metro, 0)
    visit("rider", metro, 20 / 60)
    trace_id = ask(case)
    [part] = wait_for(lambda: parts(trace_id))
    assert met_at(part) == [(str(rider), wire.GRADE_GENERAL, NOON + timedelta(seconds=20))]


def test_a_later_meeting_is_told_by_a_further_part_and_an_earlier_one_is_not(register, visit, ask, parts):
    metro, day = register("metro"), 24 * 60
    case = visit("case", metro, -2 * day)
    rider = visit("rider", metro, -2 * day + 1 / 60)
    trace_id = ask(case)
    wait_for(lambda: parts(trace_id))
    visit("case", metro, -3 * day)
    visit("rider", metro, -3 * day)
    visit("case", metro, 0)
    visit("rider", metro, 1)
    first, second = wait_for(lambda: len(parts(trace_id)) == 2 and parts(trace_id))
    assert [at for _, _, at in met_at(first)] == [NOON - timedelta(days=2) + timedelta(seconds=1)]
    assert met_at(second) == [(str(rider), wire.GRADE_GENERAL, NOON + timedelta(minutes=1))]


def test_close_a_week_ago_and_general_now_are_told_each_with_its_last_day(register, visit, ask, parts, client, issuer):
    """The rule for close contacts counts from the close meeting, the one for general contacts from any."""
    mall, metro, days = register("mall"), register("metro"), 5 * 24 * 60
    case = visit("case", mall, -days)
    both, before = visit("both", mall, -days + 5), visit("before", mall, -days + 6)
    visit("case", metro, -days - 60)
    visit("before", metro, -days - 60)
    visit("case", metro, 0)
    visit("both", metro, 1)
    trace_id = ask(case)
    [part] = wait_for(lambda: parts(trace_id))
    close_at, general_at = NOON - timedelta(days=5) + timedelta(minutes=5), NOON + timedelta(minutes=1)
    expected = [
        (str(before), wire.GRADE_CLOSE, close_at + timedelta(minutes=1)),
        (str(both), wire.GRADE_CLOSE, close_at),
        (str(both), wire.GRADE_GENERAL, general_at),
    ]
    assert sorted(met_at(part)) == sorted(expected)
    state = client.get(f"/v1/traces/{trace_id}", headers=issuer.headers("authority")).json()
    assert (state["contacts"], state["grades"]) == (2, {"close": 2, "general": 0}), "people, not meetings"
    read = client.get(f"/v1/traces/{trace_id}/contacts", headers=issuer.headers("authority")).json()["contacts"]
    assert {(each["person_ref"], each["grade"]) for each in read} == {(str(both), "close"), (str(before), "close")}
    assert len(read) == 2


def crowd(sql_url: str, place: UUID, people: int, minutes: float = 3) -> None:
    """Many people at one place around noon, written as the scan log writes them."""
    with psycopg.connect(sql_url, autocommit=True) as connection, connection.cursor() as cursor:
        at = NOON + timedelta(minutes=minutes)
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


def held_trace(register, visit, ask, settings, client, issuer, **asked: Any) -> str:
    mall = register("mall")
    case = visit("case", mall, 0)
    crowd(settings.database_url, mall, 1001)
    path = f"/v1/traces/{ask(case, **asked)}"
    is_held = lambda: client.get(path, headers=issuer.headers("authority")).json().get("status") == "held"  # noqa: E731
    wait_for(is_held)
    return path


def approve(client, issuer, path: str, **claims: Any) -> tuple[int, str]:
    answer = client.post(f"{path}/approval", headers=issuer.headers("approver", **claims))
    return answer.status_code, answer.json().get("code", answer.json().get("status"))


def test_who_opened_the_case_cannot_approve_its_trace_in_any_role(
    register, visit, ask, settings, client, issuer, parts
):
    path = held_trace(register, visit, ask, settings, client, issuer, by="zhang")
    assert approve(client, issuer, path, sub="zhang") == (403, "second_person_needed")
    both = {"sub": "zhang", "roles": ["approver", "authority"]}
    assert approve(client, issuer, path, **both) == (403, "second_person_needed")
    assert approve(client, issuer, path, sub="li") == (200, "answered")
    assert len(parts(UUID(path.rpartition("/")[2]))) in (0, 3)


def test_the_trace_of_an_unknown_requester_is_approved_by_nobody_until_the_ledger_tells_who_asked(
    register, visit, ask, settings, client, issuer, sql
):
    path = held_trace(register, visit, ask, settings, client, issuer, by="")
    assert approve(client, issuer, path, sub="li") == (403, "requester_unknown")
    trace_id = UUID(path.rpartition("/")[2])
    [(case,)] = sql("SELECT person_ref FROM trace")
    ask(case, trace_id, by="zhang", revision=2)
    wait_for(lambda: sql("SELECT 1 FROM trace WHERE requester IS NOT NULL"))
    assert approve(client, issuer, path, sub="zhang") == (403, "second_person_needed")
    assert approve(client, issuer, path, sub="li") == (200, "answered")


def test_an_approver_and_a_reader_reach_the_area_of_the_case(register, visit, ask, settings, client, issuer, sql):
    path = held_trace(register, visit, ask, settings, client, issuer, area="440103001")
    missing = f"/v1/traces/{uuid4()}"
    for area in ("440104", "440103002", "440103001101"):
        assert approve(client, issuer, path, area=area) == (403, "area_refused")
        elsewhere = issuer.headers("authority", area=area)
        refusals = [client.get(each, headers=elsewhere) for each in (path, missing, f"{missing}/contacts")]
        assert {(each.status_code, each.text.replace(str(missing), "")) for each in refusals} == {
            (403, refusals[0].text)
        }, "what is not there is refused as what lies elsewhere"
        assert "440103001" not in refusals[0].text.replace(area, "")
    for area in ("440103001", "440103"):
        assert client.get(path, headers=issuer.headers("authority", area=area)).status_code == 200
    [(case,)] = sql("SELECT person_ref FROM trace")
    refused = sql("SELECT person_ref, area FROM access_log WHERE is_refused AND what = 'approval of a trace'")
    assert refused == [(case, "440104"), (case, "440103002"), (case, "440103001101")]
    assert approve(client, issuer, path, area="440103") == (200, "answered")


def test_held_traces_are_listed_to_those_who_reach_their_case(register, visit, ask, settings, client, issuer, sql):
    path = held_trace(register, visit, ask, settings, client, issuer, area="440103001")
    mall = register("mall")
    ask(visit("other", mall, 500))
    wait_for(lambda: sql("SELECT count(*) FROM trace") == [(2,)])

    def listed(area: str = "4401", role: str = "approver", **params: Any) -> list[dict[str, Any]]:
        answer = client.get("/v1/traces", params=params, headers=issuer.headers(role, area=area))
        assert answer.status_code == 200
        return answer.json()["traces"]

    [held] = listed(state="held")
    assert (f"/v1/traces/{held['trace_id']}", held["contacts"], held["area"]) == (path, 1001, "440103001")
    assert (held["status"], held["entry_id"], held["is_requester_known"]) == ("held", "entry-1", True)
    assert listed("440103", state="held") == [held]
    assert listed("440104", state="held") == []
    assert len(listed()) == 2
    [first] = listed(limit=1)
    [second] = listed(limit=1, cursor=first["trace_id"])
    assert {first["trace_id"], second["trace_id"]} == {each["trace_id"] for each in listed()}
    [(case,)] = sql("SELECT person_ref FROM trace WHERE status = 'held'")
    assert sql("SELECT count(*) FROM access_log WHERE what = 'list of traces' AND person_ref = %s", case) >= [(3,)]
    assert client.get("/v1/traces", headers=issuer.headers("citizen")).status_code == 403
    assert client.get("/v1/traces", params={"state": "lost"}, headers=issuer.headers("approver")).status_code == 422


def test_the_doctor_says_that_a_trace_is_held(settings, sql):
    with psycopg.connect(settings.database_url) as connection:
        assert held_traces(connection) == []
        for _ in range(2):
            sql(
                "INSERT INTO trace (trace_id, entry_id, person_ref, from_at, to_at, status, tracing_rule) "
                "VALUES (%s, 'e', %s, now(), now(), 'held', 'default@1')",
                uuid7(), uuid4(),
            )  # fmt: skip
        [trouble] = held_traces(connection)
    assert trouble.startswith("2 traces are held (since 20")
    assert "GET /v1/traces?state=held" in trouble


def test_splitting_a_question_does_not_evade_the_second_person(register, visit, settings, client, issuer, sql):
    """Each part has fewer than a thousand contacts; of all that one person asks in a day five thousand are told."""
    asked = []
    for hour in range(7):
        mall = register("mall")
        case = visit("case", mall, 60 * hour)
        crowd(settings.database_url, mall, 800, minutes=60 * hour)
        span = {"from": NOON + timedelta(minutes=60 * hour - 20), "to": NOON + timedelta(minutes=60 * hour + 20)}
        body = {"person_ref": str(case)} | {name: at.isoformat() for name, at in span.items()}
        asked.append((body, client.post("/v1/traces", json=body, headers=issuer.headers("authority", sub="zhang"))))
    assert [answer.json()["status"] for _, answer in asked] == ["answered"] * 6 + ["held"]
    other = client.post("/v1/traces", json=asked[0][0], headers=issuer.headers("authority", sub="wang"))
    assert other.json()["status"] == "answered", "another person has a day of their own"
    path = f"/v1/traces/{asked[-1][1].json()['trace_id']}"
    assert approve(client, issuer, path, sub="zhang") == (403, "second_person_needed")
    assert approve(client, issuer, path, sub="li") == (200, "answered")
    sql("UPDATE trace_contact SET told_at = told_at - interval '25 hours'")
    again = client.post("/v1/traces", json=asked[-1][0], headers=issuer.headers("authority", sub="zhang"))
    assert again.json()["status"] == "answered", "counted over 24 hours"


def test_traces_that_reach_ahead_do_not_evade_the_second_person(register, visit, settings, client, issuer, sql):
    """Asked on one day and told on the next: what counts is when the contacts were told."""
    headers, hours = issuer.headers("authority", sub="zhang"), range(7)
    malls = [register("mall") for _ in hours]
    traces = []
    for hour in hours:
        case = visit(f"case {hour}", malls[hour], 60 * hour - 25)
        span = {"from": NOON + timedelta(minutes=60 * hour - 20), "to": NOON + timedelta(days=50)}
        body = {"person_ref": str(case)} | {name: at.isoformat() for name, at in span.items()}
        traces.append(client.post("/v1/traces", json=body, headers=headers).json()["trace_id"])
    sql("UPDATE trace SET requested_at = requested_at - interval '2 days'")

    def state(hour: int) -> tuple[str, int]:
        found = client.get(f"/v1/traces/{traces[hour]}", headers=headers).json()
        return found["status"], found["contacts"]

    def grow(hour: int) -> tuple[str, int]:
        crowd(settings.database_url, malls[hour], 800, minutes=60 * hour)
        visit(f"case {hour}", malls[hour], 60 * hour)
        return wait_for(lambda: (found := state(hour))[1] == 800 and found)

    assert [grow(hour) for hour in hours] == [("answered", 800)] * 6 + [("held", 800)]
    sql("UPDATE trace_contact SET told_at = told_at - interval '25 hours'")
    visit("late", malls[-1], 60 * hours[-1] + 2)
    assert wait_for(lambda: (found := state(6))[1] == 801 and found) == ("held", 801), "it waits for a second person"
    visit("late", malls[0], 2)
    assert wait_for(lambda: (found := state(0))[1] == 801 and found) == ("answered", 801), "another day"


def test_what_a_trace_told_before_it_was_held_counts_too(register, visit, settings, client, issuer, sql):
    mall = register("mall")
    case = visit("case", mall, 0)
    crowd(settings.database_url, mall, 800)
    span = {"from": NOON - timedelta(minutes=20), "to": NOON + timedelta(minutes=20)}
    body = {"person_ref": str(case)} | {name: at.isoformat() for name, at in span.items()}
    headers = issuer.headers("authority", sub="zhang")
    for _ in range(6):
        trace_id = client.post("/v1/traces", json=body, headers=headers).json()["trace_id"]
        sql("UPDATE trace SET status = 'held' WHERE trace_id = %s", UUID(trace_id))
    assert client.post("/v1/traces", json=body, headers=headers).json()["status"] == "held"


def test_telling_again_is_no_further_telling(register, visit, composed, client, issuer, sql):
    mall = register("mall")
    case = visit("case", mall, 0)
    visit("contact", mall, 1)
    span = {"from": NOON - timedelta(minutes=20), "to": NOON + timedelta(minutes=20)}
    body = {"person_ref": str(case)} | {name: at.isoformat() for name, at in span.items()}
    trace_id = client.post("/v1/traces", json=body, headers=issuer.headers("authority")).json()["trace_id"]
    sql("UPDATE trace_contact SET told_at = told_at - interval '25 hours'")
    [(before,)] = sql("SELECT told_at FROM trace_contact")
    desk = composed.app.state.desk
    with desk.database.transaction() as tx:
        assert desk.tracing.tell_again(tx, UUID(trace_id)) == 1
    assert sql("SELECT told_at FROM trace_contact") == [(before,)]


def test_an_official_asks_only_about_who_was_in_the_own_area(register, visit, client, issuer, sql):
    here, there = register("mall", area="440103001"), register("mall", area="440104001")
    person_ref = visit("someone", there, 0)
    body = {
        "person_ref": str(person_ref),
        "from": (NOON - timedelta(days=1)).isoformat(),
        "to": (NOON + timedelta(days=1)).isoformat(),
    }

    def ask_for(area: str, **changed: str) -> tuple[int, str]:
        answer = client.post("/v1/traces", json=body | changed, headers=issuer.headers("authority", area=area))
        return answer.status_code, answer.text

    refused = ask_for("440103")
    assert refused[0] == 403
    assert ask_for("440103", person_ref=str(uuid4())) == refused, "nothing is learnt of where the person was"
    assert sql("SELECT area FROM access_log WHERE is_refused AND person_ref = %s", person_ref) == [("440103",)]
    for area in ("440104", "440104001", "4401"):
        assert ask_for(area)[0] == 202
    visit("someone", here, 30)
    assert ask_for("440103")[0] == 202


def test_a_service_reads_traces_only_where_its_token_says_so(client, issuer):
    path = f"/v1/traces/{uuid4()}"
    named = client.get(path, headers=issuer.headers("service", scope="evidence traces"))
    assert named.json()["code"] == "trace_not_found"
    for claims in ({"scope": "evidence"}, {"scope": ""}, {"scope": None}):
        answer = client.get(path, headers=issuer.headers("service", **claims))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    both = issuer.headers("service", roles=["service", "operator"], scope="")
    assert client.get(path, headers=both).json()["code"] == "trace_not_found"


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
