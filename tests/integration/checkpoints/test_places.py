"""Registering checkpoints, reading scans back, and visits by poster."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient

from chassis.database import Database
from chassis.ids import uuid7
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.main import compose_api
from services.checkpoints.store.places import add
from tests.integration.checkpoints.town import GREEN, RED, ago, scan, wait_for

BODY = {"kind": "mall", "name": "西塱商场", "venue": "西塱", "area": "440103001"}


def test_registering_is_idempotent_by_id(client, issuer):
    headers = issuer.headers("operator")
    body = BODY | {"checkpoint_id": str(uuid4())}
    answers = [client.post("/v1/checkpoints", json=body, headers=headers) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 200]
    assert answers[0].json() == answers[1].json() == {"checkpoint_id": body["checkpoint_id"]}
    other = client.post("/v1/checkpoints", json=body | {"name": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "checkpoint_registered_otherwise")
    read = client.get(f"/v1/checkpoints/{body['checkpoint_id']}", headers=headers)
    assert read.json() == body | {"stage": "open", "revision": 1, "holds_from": None, "successor_id": None}


def test_without_an_id_one_is_given_and_the_venue_may_be_left_out(client, issuer):
    body = {name: BODY[name] for name in ("kind", "name", "area")}
    first, second = (client.post("/v1/checkpoints", json=body, headers=issuer.headers("operator")) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() != second.json()


def test_bad_registrations_name_the_field_and_register_nothing(client, issuer, sql):
    for field, change in (
        ("kind", {"kind": "airport"}),
        ("name", {"name": ""}),
        ("name", {"name": "x" * 200}),
        ("name", {"name": "a\x00b"}),
        ("area", {"area": "Liwan"}),
        ("checkpoint_id", {"checkpoint_id": "1"}),
        ("opened", {"opened": True}),
    ):
        answer = client.post("/v1/checkpoints", json=BODY | change, headers=issuer.headers("operator"))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
    unknown = client.post("/v1/checkpoints", json=BODY | {"area": "440199001"}, headers=issuer.headers("operator"))
    assert (unknown.status_code, unknown.json()["code"]) == (422, "area_unknown")
    outside = client.post("/v1/checkpoints", json=BODY, headers=issuer.headers("operator", area="440104"))
    assert (outside.status_code, outside.json()["code"]) == (403, "area_refused")
    assert client.post("/v1/checkpoints", json=BODY, headers=issuer.headers("gate")).status_code == 403
    assert client.post("/v1/checkpoints", json=BODY).status_code == 401
    assert sql("SELECT count(*) FROM checkpoint") == [(0,)]


def test_many_are_registered_at_once_and_a_repeat_adds_none(client, issuer, sql):
    headers, later = issuer.headers("operator"), (datetime.now(UTC) + timedelta(days=1)).isoformat()
    first = client.post("/v1/checkpoints", json=BODY | {"checkpoint_id": str(uuid4())}, headers=headers).json()
    many = [BODY | {"checkpoint_id": str(uuid4()), "name": f"gate {n}"} for n in range(200)]
    many += [BODY, BODY | first, BODY | {"checkpoint_id": str(uuid4()), "kind": "road", "opens_at": later}]
    answer = client.post("/v1/checkpoints/batch", json={"checkpoints": many}, headers=headers)
    assert (answer.status_code, answer.json()["registered"]) == (201, 202)
    ids = answer.json()["checkpoint_ids"]
    assert [given.get("checkpoint_id", ids[200]) for given in many] == ids
    assert sql("SELECT count(*) FROM checkpoint") == [(203,)]
    assert sql("SELECT count(DISTINCT aggregateid) FROM outbox WHERE type LIKE '%%CheckpointRegistered'") == [(203,)]
    assert client.get(f"/v1/checkpoints/{ids[-1]}", headers=headers).json()["stage"] == "planned"
    assert client.get(f"/v1/checkpoints/{ids[0]}", headers=headers).json()["name"] == "gate 0"
    early = sql("SELECT count(*) FROM checkpoint WHERE changed_at < (SELECT max(created_at) FROM outbox)")
    assert early == [(1,)], (
        "other processes read by changed_at, so that is the last that is written; one came alone before"
    )
    del many[200]
    again = client.post("/v1/checkpoints/batch", json={"checkpoints": many}, headers=headers)
    assert (again.status_code, again.json()["registered"]) == (200, 0)
    assert sql("SELECT count(*) FROM checkpoint") == [(203,)]


def test_of_many_one_that_is_refused_is_named_and_none_is_registered(client, issuer, sql):
    headers = issuer.headers("operator")
    known = BODY | client.post("/v1/checkpoints", json=BODY, headers=headers).json()
    new = BODY | {"checkpoint_id": str(uuid4())}
    past_a_year = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    for bad, code, field in (
        (BODY | {"area": "440199001"}, "area_unknown", "checkpoints.1"),
        (known | {"name": "other"}, "checkpoint_registered_otherwise", "checkpoints.1"),
        (BODY | {"kind": "airport"}, "invalid_request", "checkpoints.1.kind"),
        (BODY | {"opens_at": past_a_year}, "invalid_request", "checkpoints.1.opens_at"),
        (new, "invalid_request", "body"),
    ):
        answer = client.post("/v1/checkpoints/batch", json={"checkpoints": [new, bad]}, headers=headers)
        assert (answer.status_code // 100, answer.json()["code"]) == (4, code)
        assert [each["field"] for each in answer.json()["errors"]] == [field]
        assert "checkpoints.1" in str(answer.json()["errors"])
    district = issuer.headers("operator", area="440103")
    outside = {"checkpoints": [new, BODY | {"area": "440104003"}]}
    refused = client.post("/v1/checkpoints/batch", json=outside, headers=district)
    assert (refused.status_code, refused.json()["code"]) == (403, "area_refused")
    assert refused.json()["errors"][0]["field"] == "checkpoints.1"
    assert client.post("/v1/checkpoints/batch", json={"checkpoints": []}, headers=headers).status_code == 422
    assert sql("SELECT count(*) FROM checkpoint") == [(1,)]


def test_two_lists_with_the_same_places_in_other_orders_register_each_once(client, issuer, sql):
    headers = issuer.headers("operator")
    many = [BODY | {"checkpoint_id": str(uuid4())} for _ in range(300)]

    def register(places):
        return client.post("/v1/checkpoints/batch", json={"checkpoints": places}, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(register, [many, many[::-1], many, many[::-1]]))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert sum(answer.json()["registered"] for answer in answers) == 300
    assert sql("SELECT count(*) FROM checkpoint") == [(300,)]


def test_one_place_registered_by_many_at_once_lets_none_wait_for_another_in_a_circle(settings, client):
    """Straight at the store, where nothing tries again: of two unique keys one was waited for, the other not."""
    database = Database(settings.database_url, connections_max=12)
    meeting = threading.Barrier(12)

    def register_all(places):
        added = 0
        for place in places:
            meeting.wait(60)
            with database.transaction() as tx:
                added += len(add(tx, [place], registered_by="operator"))
        return added

    places = [Checkpoint(uuid4(), "mall", "gate", "venue", "440103001", uuid4().hex) for _ in range(200)]
    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(register_all, [places] * 12)) == 200
    database.close()


def test_a_checkpoint_registered_by_another_process_is_known_at_once(settings, codes, client, register, gate, issuer):
    other = compose_api(settings, codes=codes)
    with TestClient(other.scan_routes) as second:
        wait_for(lambda: other.board.is_complete)
        place = register()
        answer = second.post("/v1/scans", json=scan(place, credential={"pass": "x"}), headers=gate(place))
        assert answer.status_code == 200
        venue = register("mall")
        code = client.get(f"/v1/checkpoints/{venue}/poster", headers=issuer.headers("operator")).json()["venue_code"]
        wait_for(lambda: second.app._app.state.desk.registry.find_venue(code, datetime.now(UTC)))


def test_a_visit_by_poster_is_recorded_as_self_reported(client, register, issuer, codes, person, sql):
    place = register("mall")
    person_ref, idx = person(RED)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, person_ref)
    code = client.get(f"/v1/checkpoints/{place}/poster", headers=issuer.headers("operator")).json()["venue_code"]
    now = datetime.now(UTC)
    body = {
        "scan_id": str(uuid7(now)),
        "venue_code": code,
        "pass": codes.mint(idx),
        "scanned_at": now.isoformat(),
    }
    citizen = issuer.headers("citizen", area="", sub="zhao", person_ref=str(person_ref))
    answer = client.post("/v1/venue-visits", json=body, headers=citizen)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"scan_id", "self_reported", "recorded_at"}, "no colour, no decision"
    assert answer.json()["scan_id"] == body["scan_id"]
    assert sql("SELECT scan_id::text, sent_by, person_ref FROM venue_visit") == [(body["scan_id"], "zhao", person_ref)]
    assert sql("SELECT is_self_reported, checkpoint_id FROM scan") == [(True, place)]
    assert client.post("/v1/venue-visits", json=body, headers=citizen).json() == answer.json()
    made_up = client.post("/v1/venue-visits", json=body | {"venue_code": "0" * 12}, headers=citizen)
    assert (made_up.status_code, made_up.json()["code"]) == (404, "venue_not_found")
    for field, change in (("venue_code", {"venue_code": "x"}), ("scanned_at", {"scanned_at": "yesterday"})):
        answer = client.post("/v1/venue-visits", json=body | change, headers=citizen)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert client.post("/v1/venue-visits", json=body, headers=issuer.headers("gate")).status_code == 403


def test_a_visit_is_taken_of_the_pass_s_holder_alone_and_of_everybody_else_refused_alike(
    client, register, issuer, codes, person, sql
):
    """A found or photographed pass is no way to learn a colour, nor to write somebody into a venue."""
    place = register("mall")
    holder, idx = person(RED)
    other, other_idx = person(GREEN)
    sql("INSERT INTO holder VALUES (1, %s, %s), (1, %s, %s)", idx, holder, other_idx, other)
    code = client.get(f"/v1/checkpoints/{place}/poster", headers=issuer.headers("operator")).json()["venue_code"]

    def report(pass_, person_ref, **change):
        now = datetime.now(UTC)
        body = {"scan_id": str(uuid7(now)), "venue_code": code, "pass": pass_, "scanned_at": now.isoformat()} | change
        claims = {} if person_ref is None else {"person_ref": str(person_ref)}
        return client.post("/v1/venue-visits", json=body, headers=issuer.headers("citizen", area="", **claims))

    refused = [
        report(codes.mint(idx), other),
        report(codes.mint(other_idx), holder),
        report(codes.mint(idx), uuid4()),
        report(codes.mint(idx), None),
        report("a.b.c", holder),
        report(codes.mint(idx, at=ago(minutes=9)), holder),
    ]
    assert {(each.status_code, each.text) for each in refused} == {(403, refused[0].text)}
    assert refused[0].json()["code"] == "not_the_holder"
    assert sql("SELECT count(*) FROM scan") == sql("SELECT count(*) FROM venue_visit") == [(0,)]
    assert report(codes.mint(idx), holder).status_code == 200


def test_a_visit_neither_takes_over_nor_tells_of_another_scan(client, register, issuer, codes, person, gate, sql):
    place, (holder, idx) = register("mall"), person(GREEN)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, holder)
    code = client.get(f"/v1/checkpoints/{place}/poster", headers=issuer.headers("operator")).json()["venue_code"]
    taken = scan(place, credential={"pass": codes.mint(idx)})
    assert client.post("/v1/scans", json=taken, headers=gate(place)).status_code == 200
    now = datetime.now(UTC).isoformat()
    body = {"scan_id": taken["scan_id"], "venue_code": code, "pass": codes.mint(idx), "scanned_at": now}
    citizen = issuer.headers("citizen", area="", person_ref=str(holder))
    answer = client.post("/v1/venue-visits", json=body, headers=citizen)
    assert (answer.status_code, answer.json()["code"]) == (409, "scan_id_reused")
    assert sql("SELECT count(*) FROM venue_visit") == [(0,)]


def test_visits_stand_in_the_same_line_as_scans(settings, client, person, codes, issuer, sql):
    """A city's phones at once must not go round the limit behind which the gates stand."""
    holder, idx = person(GREEN)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, holder)
    limited = compose_api(settings.model_copy(update={"scan_admission_per_s": 1}), codes=codes)
    with TestClient(limited.scan_routes) as client:
        wait_for(limited.key_ring.has_keys)
        operator = issuer.headers("operator")
        place = client.post("/v1/checkpoints", json=BODY, headers=operator).json()["checkpoint_id"]
        code = client.get(f"/v1/checkpoints/{place}/poster", headers=operator).json()["venue_code"]
        citizen, now = issuer.headers("citizen", area="", person_ref=str(holder)), datetime.now(UTC)
        visit = {"venue_code": code, "pass": codes.mint(idx), "scanned_at": now.isoformat()}
        answers = [
            client.post(
                "/v1/venue-visits",
                json=visit | {"scan_id": str(uuid7(now))},
                headers=citizen,
            )
            for _ in range(12)
        ]
        assert limited.scan_routes.under_way() == 0
    accepted = [each for each in answers if each.status_code == 200]
    refused = [each for each in answers if each.status_code == 503]
    assert len(accepted) + len(refused) == 12
    assert accepted
    assert len(refused) >= 4
    assert {each.json()["code"] for each in refused} == {"overloaded"}
    assert all(int(each.headers["Retry-After"]) >= 1 for each in refused)
    assert sql("SELECT count(*) FROM scan") == [(len(accepted),)]


# -- history -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def visits(client, register, gate, codes, person, sql):
    """One person at a place of Liwan, every minute, and once in Yuexiu: (person, place, scans in order)."""
    here, there = register(area="440103001"), register(area="440104003")
    person_ref, idx = person(GREEN)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, person_ref)
    sent = []
    for place, minute in ((here, 30), (here, 20), (here, 10), (there, 5)):
        at = ago(minutes=minute)
        sent.append(scan(place, at=at, credential={"pass": codes.mint(idx, at=at)}, temperature_c=36.5))
    for each in sent:
        headers = gate(each["checkpoint_id"])
        assert client.post("/v1/scans", json=each, headers=headers).json()["decision"] == "pass"
    return person_ref, here, sent


def test_the_scans_of_a_person_page_by_page(client, issuer, visits, sql):
    person_ref, _, sent = visits
    path, headers = f"/v1/people/{person_ref}/scans", issuer.headers("authority", sub="zhang")
    whole = client.get(path, headers=headers).json()
    assert [each["scan_id"] for each in whole["scans"]] == [each["scan_id"] for each in sent]
    assert whole["next_cursor"] is None
    first = whole["scans"][0]
    assert (first["person_ref"], first["decision"], first["colour"], first["refusal"]) == (
        str(person_ref),
        "pass",
        "green",
        None,
    )
    seen, cursor = [], None
    while True:
        page = client.get(path, headers=headers, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [each["scan_id"] for each in page["scans"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [each["scan_id"] for each in sent]
    part = client.get(
        path, headers=headers, params={"from": ago(minutes=22).isoformat(), "to": ago(minutes=8).isoformat()}
    )
    assert [each["scan_id"] for each in part.json()["scans"]] == [sent[1]["scan_id"], sent[2]["scan_id"]]
    assert sql("SELECT DISTINCT subject, what, person_ref FROM access_log") == [
        ("zhang", "scans of a person", person_ref)
    ]


def test_the_scans_of_a_checkpoint(client, issuer, visits, sql):
    person_ref, here, sent = visits
    answer = client.get(f"/v1/checkpoints/{here}/scans", headers=issuer.headers("authority"))
    assert [each["scan_id"] for each in answer.json()["scans"]] == [each["scan_id"] for each in sent[:3]]
    assert sql("SELECT what, checkpoint_id, person_ref, roles FROM access_log ORDER BY access_id") == [
        ("scans of a checkpoint", here, None, "authority"),
        ("scans of a checkpoint", here, person_ref, "authority"),
    ]


def test_an_authority_sees_its_own_subtree(client, issuer, visits):
    person_ref, here, sent = visits
    liwan, yuexiu = issuer.headers("authority", area="440103"), issuer.headers("authority", area="440104")
    seen = [client.get(f"/v1/people/{person_ref}/scans", headers=who).json()["scans"] for who in (liwan, yuexiu)]
    assert [len(each) for each in seen] == [3, 1]
    assert seen[1][0]["scan_id"] == sent[3]["scan_id"]
    refused = client.get(f"/v1/checkpoints/{here}/scans", headers=yuexiu)
    assert (refused.status_code, refused.json()["code"]) == (403, "area_refused")


def test_who_may_read_and_how(client, issuer, visits):
    person_ref, here, _ = visits
    path = f"/v1/people/{person_ref}/scans"
    for role in ("gate", "operator", "citizen", "community", "service"):
        assert client.get(path, headers=issuer.headers(role)).status_code == 403
        assert client.get(f"/v1/checkpoints/{here}/scans", headers=issuer.headers(role)).status_code == 403
    headers = issuer.headers("authority")
    absurd = {"from": "1969-01-01T00:00:00Z", "to": "1969-06-01T00:00:00Z"}
    for parameters in (
        absurd,
        {"to": "9999-12-31T23:59:59Z"},
        {"from": "2022"},
        {"limit": 0},
        {"limit": 10_000},
        {"from": "2022-01-01T00:00:00"},
    ):
        assert client.get(path, headers=headers, params=parameters).status_code == 422
    bad = client.get(path, headers=headers, params={"cursor": "!!!"})
    assert (bad.status_code, bad.json()["code"]) == (422, "cursor_malformed")
    assert client.get(f"/v1/checkpoints/{uuid4()}/scans", headers=headers).status_code == 404


def test_the_access_log_is_only_added_to(client, issuer, visits, sql):
    client.get(f"/v1/people/{visits[0]}/scans", headers=issuer.headers("authority"))
    for statement in ("DELETE FROM access_log", "UPDATE access_log SET subject = 'nobody'", "TRUNCATE access_log"):
        with pytest.raises(psycopg.errors.RaiseException):
            sql(statement)


def test_checkpoints_are_listed_by_area_and_kind_in_pages(client, issuer, register, gate):
    here = sorted(str(register("mall", area="440103001")) for _ in range(3))
    metro, there = str(register("metro", area="440103002")), str(register("mall", area="440104001"))

    def listed(headers, **params):
        answer = client.get("/v1/checkpoints", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        return [each["checkpoint_id"] for each in answer.json()["checkpoints"]]

    city, liwan = issuer.headers("operator"), issuer.headers("operator", area="440103")
    assert listed(city) == sorted([*here, metro, there])
    assert listed(liwan) == sorted([*here, metro])
    assert listed(city, area="440104") == [there]
    assert listed(liwan, kind="metro") == [metro]
    first = client.get("/v1/checkpoints", params={"limit": 2}, headers=liwan).json()
    assert listed(liwan, cursor=first["next_cursor"], limit=5) == sorted([*here, metro])[2:]
    assert first["checkpoints"][0] == client.get(f"/v1/checkpoints/{listed(liwan)[0]}", headers=city).json()
    assert listed(gate(here[0], there)) == sorted([here[0], there]), "a gate sees those that its token names"
    assert client.get("/v1/checkpoints", params={"area": "440104"}, headers=liwan).status_code == 403
    assert client.get("/v1/checkpoints", headers=issuer.headers("citizen")).status_code == 403
    for wrong in ({"limit": 0}, {"cursor": "x"}, {"kind": "shop"}):
        assert client.get("/v1/checkpoints", params=wrong, headers=city).status_code == 422
    for unlisted in ("4401030", "44010301", "440103a", "999999", "", "4401\0"):
        refused = client.get("/v1/checkpoints", params={"area": unlisted}, headers=liwan)
        assert refused.status_code == 422, unlisted
        assert refused.json()["errors"][0]["field"].endswith("area")
    assert client.get("/v1/checkpoints", headers=issuer.headers("operator", area="")).status_code == 403
