"""A person without a code is registered in place: once, sealed, durable before the guard is answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chassis.clock import utc_now
from chassis.ids import uuid7
from services.checkpoints.main import tell
from services.checkpoints.messages.registrations import destination
from services.checkpoints.store import registrations
from services.checkpoints.use_cases.registering import tell_arrivals_again
from tests.integration.checkpoints.town import ago
from wire.checkpoints.v1 import events_pb2 as wire
from wire.ledger.v1 import events_pb2 as ledger_wire

NUMBER, PHONE, NAME = "420106199001011234", "+86 138 0013 8000", "李雷"
HOME = "440103001"


def form(place, *, at=None, **more):
    at = at or datetime.now(UTC)
    return {
        "registration_id": str(uuid7(at)),
        "checkpoint_id": str(place),
        "document": {"type": "resident_id", "number": NUMBER},
        "name": NAME,
        "phone": PHONE,
        "from_area": "420100",
        "to_area": HOME,
        "registered_at": at.isoformat(),
    } | more


@pytest.fixture
def send(client, gate):
    def sent(body, headers=None):
        return client.post("/v1/registrations", json=body, headers=headers or gate(body["checkpoint_id"]))

    return sent


def arrivals(sql):
    rows = sql("SELECT payload FROM outbox WHERE type LIKE '%%.ArrivalRegistered' ORDER BY seq")
    return [wire.ArrivalRegistered.FromString(payload) for (payload,) in rows]


def test_a_person_is_registered_once_and_the_destination_is_told_without_a_name(register, send, sql):
    body = form(register("road"))
    first = send(body)
    assert first.status_code == 200, first.text
    answer = first.json()
    assert (answer["decision"], answer["outcome"], answer["fever_clinic"]) == ("pass", "registered", None)
    assert "登记" in answer["say"]["zh"]
    assert "registered" in answer["say"]["en"]
    assert send(body).json() == answer
    (arrival,) = arrivals(sql)
    assert (arrival.registration_id, arrival.to_area, arrival.has_fever) == (body["registration_id"], HOME, False)
    assert UUID(arrival.person_ref).version == 8
    ((payload, headers),) = sql("SELECT payload, headers::text FROM outbox WHERE type LIKE '%%.ArrivalRegistered'")
    kept = b"".join(bytes(part) for part in sql("SELECT number_sealed, name_sealed, phone_sealed FROM registration")[0])
    for secret in (NUMBER, PHONE, NAME):
        assert secret.encode() not in bytes(payload) + headers.encode() + kept


def test_other_content_under_the_same_id_is_refused(register, send, sql):
    body = form(register("port"))
    assert send(body).status_code == 200
    for change in ({"phone": "13900139000"}, {"temperature_c": 36.6}, {"to_area": "440104003"}, {"name": None}):
        refused = send(body | change)
        assert (refused.status_code, refused.json()["code"]) == (409, "registration_id_reused")
    assert len(arrivals(sql)) == 1


def test_who_has_a_fever_is_stopped_and_shown_the_way_to_the_clinic(register, send, sql):
    answer = send(form(register("road"), temperature_c=37.3)).json()
    assert (answer["decision"], answer["outcome"]) == ("stop", "fever")
    assert answer["fever_clinic"]["area"] == "440103"
    assert arrivals(sql)[0].has_fever


def test_the_policy_decides_where_people_are_registered(register, send, sql):
    for kind, status in (("road", 200), ("compound", 200), ("port", 200), ("metro", 409), ("mall", 409)):
        answer = send(form(register(kind)))
        assert answer.status_code == status, answer.text
        assert status == 200 or answer.json()["code"] == "registration_not_done_here"
    assert sql("SELECT count(*) FROM registration") == [(3,)]


def test_who_comes_to_a_closed_post_is_written_down_and_sent_on(client, register, send, issuer):
    place = register("road")
    order = {"change": "close", "expected_revision": 1, "reason": "moved"}
    headers = issuer.headers("operator")
    assert client.post(f"/v1/checkpoints/{place}/changes", json=order, headers=headers).status_code == 201
    answer = send(form(place)).json()
    assert (answer["decision"], answer["outcome"]) == ("check", "checkpoint_revoked")
    assert send(form(place, at=ago(minutes=30))).json()["outcome"] == "registered"


def test_a_gate_that_never_had_the_answer_gets_it_late_and_what_it_decided_is_kept(register, send, sql):
    body = form(register("road"))
    first = send(body).json()
    offline = {"decision": "check", "policy_version": "none@0"}
    assert send(body | {"offline": offline}).json() == first
    assert send(body | {"offline": offline}).json() == first
    assert send(body).json() == first
    for other in ({"offline": offline | {"decision": "pass"}}, {"offline": offline, "phone": "13900139000"}):
        assert send(body | other).json()["code"] == "registration_id_reused"
    kept = sql("SELECT decision, offline_decision, offline_policy_version FROM registration")
    assert kept == [("pass", "check", "none@0")]
    assert len(arrivals(sql)) == 1


def test_what_was_written_down_without_a_network_comes_late_and_in_one_request(client, register, gate, sql):
    place = register("road")
    offline = {"decision": "pass", "policy_version": "default@1"}
    forms = [form(place, at=ago(hours=20 + n), offline=offline) for n in range(3)]
    bad = [forms[0] | {"phone": "call me"}, forms[1] | {"phone": "1390013900"}, {"registration_id": 7}, 8]
    body = {"registrations": [*forms, *bad, form(uuid4()), forms[2]]}
    answer = client.post("/v1/registrations/batch", json=body, headers=gate(place))
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [each.get("outcome") for each in results] == ["registered"] * 3 + [None] * 5 + ["registered"]
    assert [each["problem"]["code"] for each in results if "problem" in each] == [
        "invalid_request",
        "registration_id_reused",
        "invalid_request",
        "invalid_request",
        "checkpoint_refused",
    ]
    assert results[3]["problem"]["errors"][0]["field"] == "registrations.3.phone"
    assert results[2] == results[8]
    assert sql("SELECT count(*), min(offline_decision) FROM registration") == [(3, "pass")]
    assert len(arrivals(sql)) == 3
    many = {"registrations": [form(place)] * 501}
    assert client.post("/v1/registrations/batch", json=many, headers=gate(place)).status_code == 422


def test_the_destination_may_read_who_is_coming_and_that_is_logged(client, register, send, issuer, sql):
    body = form(register("road", area="440104003"))
    assert send(body).status_code == 200
    path = f"/v1/registrations/{body['registration_id']}"
    read = client.get(path, headers=issuer.headers("community", area=HOME, sub="wang"))
    assert read.status_code == 200, read.text
    assert (read.json()["name"], read.json()["phone"]) == (NAME, PHONE)
    assert read.json()["document"] == {"type": "resident_id", "country": "CN", "number": NUMBER}
    assert sql("SELECT subject, what FROM access_log") == [("wang", "registration")]
    elsewhere = client.get(path, headers=issuer.headers("community", area="440105"))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "area_refused")
    assert client.get(path, headers=issuer.headers("gate")).status_code == 403
    assert client.get(f"/v1/registrations/{uuid4()}", headers=issuer.headers("operator")).status_code == 404
    sql("UPDATE registration SET registered_at = now() - interval '28 days 1 second'")
    assert client.get(path, headers=issuer.headers("operator")).status_code == 404, "kept long enough"


def test_bad_forms_name_the_field_and_record_nothing(register, send, gate, issuer, sql):
    place = register("road")
    for field, change in (
        ("registration_id", {"registration_id": str(uuid4())}),
        ("registration_id", {"registration_id": "1"}),
        ("registered_at", {"registered_at": "2020-01-01T00:00:00+08:00"}),
        ("registered_at", {"registered_at": "yesterday"}),
        ("document.type", {"document": {"type": "library_card", "number": NUMBER}}),
        ("document.number", {"document": {"type": "passport", "number": "??"}}),
        ("document.country", {"document": {"type": "passport", "number": NUMBER, "country": "Wonderland"}}),
        ("phone", {"phone": "x"}),
        ("phone", {"phone": None}),
        ("name", {"name": "a\x00b"}),
        ("from_area", {"from_area": "Wuhan"}),
        ("from_area", {"from_area": "44010600"}),
        ("from_area", {"from_area": "990101"}),
        ("name", {"name": "\u200b"}),
        ("name", {"name": "张\u2067三"}),
        ("document.number", {"document": {"type": "passport", "country": "RU", "number": "МЮ1234567"}}),
        ("to_area", {"to_area": "Liwan"}),
        ("temperature_c", {"temperature_c": "37"}),
        ("temperature_c", {"temperature_c": 60}),
        ("plate", {"plate": "?"}),
        ("photo", {"photo": "x"}),
        ("offline.decision", {"offline": {"decision": "run", "policy_version": "default@1"}}),
    ):
        answer = send(form(place) | change, gate(place))
        assert answer.status_code == 422, (field, answer.text)
        assert answer.json()["errors"][0]["field"] == field
        assert NUMBER not in answer.text
    for status, code, body, headers in (
        (422, "area_unknown", form(place, to_area="440199001"), gate(place)),
        (403, "checkpoint_refused", form(place), gate(uuid4())),
        (403, "checkpoint_refused", form(place), gate(place, area="440104")),
        (403, "checkpoint_refused", form(place), issuer.headers("community", area="440104")),
        (403, "role_missing", form(place), issuer.headers("citizen")),
        (404, "checkpoint_not_found", form(uuid4()), issuer.headers("community")),
    ):
        answer = send(body, headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert sql("SELECT count(*) FROM registration") == [(0,)]


def test_registrations_are_told_again_to_whoever_lost_them(register, send, worker, sql):
    body = form(register("road"))
    assert send(body).status_code == 200
    with worker.database.transaction() as tx:
        assert tell_arrivals_again(tx, tell, utc_now()) == 1
    assert [each.registration_id for each in arrivals(sql)] == [body["registration_id"]] * 2
    with worker.database.transaction() as tx:
        assert tell_arrivals_again(tx, tell, utc_now() + timedelta(days=9)) == 0, "the log would tell it for too long"


def test_where_a_person_has_gone_on_to_reads_the_registration_too(client, issuer, register, send, worker, sql):
    body = form(register("road"))
    assert send(body).status_code == 200
    path = f"/v1/registrations/{body['registration_id']}"
    there = issuer.headers("community", area="440104001")
    assert client.get(path, headers=there).status_code == 403
    for caused_by, area in ((body["registration_id"], HOME), (str(uuid4()), "440104001")):
        task = ledger_wire.TaskOpened(
            task_id=str(uuid4()), caused_by=caused_by, registration_id=body["registration_id"], area=area
        )
        found = destination(task.SerializeToString())
        if found is not None:
            with worker.database.transaction() as tx:
                registrations.add_destination(tx, *found)
                registrations.add_destination(tx, *found)
    assert sql("SELECT area FROM registration_destination") == [("440104001",)]
    assert client.get(path, headers=there).json()["phone"] == PHONE
    assert client.get(path, headers=issuer.headers("community", area="440104002")).status_code == 403
