"""Checkpoints open, move, convert, merge and close at a set time; what held at a scan's moment decides it for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from services.checkpoints.main import compose_api, tell
from services.checkpoints.use_cases import places
from tests.integration.checkpoints.test_registrations import form
from tests.integration.checkpoints.town import GREEN, YELLOW, ago, scan, wait_for
from wire.checkpoints.v1 import events_pb2 as wire

HOUR = timedelta(hours=1)


@pytest.fixture
def operator(issuer):
    return issuer.headers("operator")


@pytest.fixture
def order(client, operator):
    def ordered(place, change, expected_revision=1, **more):
        body = {"change": change, "expected_revision": expected_revision, "reason": "by order", **more}
        return client.post(f"/v1/checkpoints/{place}/changes", json=body, headers=operator)

    return ordered


@pytest.fixture
def show(client, gate, codes, person, sql):
    """A green person's scan at a moment; the answer."""
    person_ref, idx = person(GREEN)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, person_ref)

    def shown(place, at=None):
        at = at or datetime.now(UTC)
        body = scan(place, at=at, credential={"pass": codes.mint(idx, at=at)})
        answer = client.post("/v1/scans", json=body, headers=gate(place))
        assert answer.status_code == 200, answer.text
        assert client.post("/v1/scans", json=body, headers=gate(place)).json() == answer.json()
        return answer.json()

    return shown


def told(sql, name):
    rows = sql("SELECT headers->>'ce_revision', payload FROM outbox WHERE type LIKE %s ORDER BY seq", f"%.{name}")
    return [(int(revision), getattr(wire, name).FromString(payload)) for revision, payload in rows]


def test_a_closed_checkpoint_takes_no_scan_but_those_of_the_time_before(register, order, show, sql):
    place = register("road")
    closed = order(place, "close")
    assert closed.status_code == 201, closed.text
    assert show(place)["refusal"] == "checkpoint_revoked"
    assert show(place, ago(minutes=30))["refusal"] is None
    assert order(place, "open", 2).status_code == 201
    assert show(place)["refusal"] is None
    assert sql("SELECT refusal FROM scan ORDER BY scanned_at") == [(None,), ("checkpoint_revoked",), (None,)]


def test_a_change_holds_from_its_set_time_on_and_not_before(client, register, order, show, operator):
    place = register("mall", name="A mall")
    opens_again = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    assert order(place, "close").status_code == 201
    assert order(place, "open", 2, at=opens_again).status_code == 201
    assert show(place)["refusal"] == "checkpoint_revoked"
    assert client.get(f"/v1/checkpoints/{place}", headers=operator).json()["stage"] == "closed"
    wait_for(lambda: datetime.now(UTC).isoformat() >= opens_again)
    assert show(place)["refusal"] is None
    assert client.get(f"/v1/checkpoints/{place}", headers=operator).json()["stage"] == "open"


def test_a_planned_checkpoint_opens_at_its_time(client, operator, show):
    opens_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"kind": "road", "name": "G4", "area": "440103001", "checkpoint_id": str(uuid4()), "opens_at": opens_at}
    answers = [client.post("/v1/checkpoints", json=body, headers=operator) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert client.get(f"/v1/checkpoints/{body['checkpoint_id']}", headers=operator).json()["stage"] == "planned"
    assert show(body["checkpoint_id"])["refusal"] == "checkpoint_revoked"
    sooner = client.post("/v1/checkpoints", json=body | {"opens_at": None}, headers=operator)
    assert (sooner.status_code, sooner.json()["code"]) == (409, "checkpoint_registered_otherwise")


def test_scans_go_where_a_checkpoint_was_merged_into(client, register, order, show, issuer, sql, operator):
    first, second, third = register(name="first"), register(name="second", area="440104003"), register(name="third")
    assert order(first, "merge", into=str(second)).status_code == 201
    merged = show(first)
    before = show(first, ago(minutes=20))
    authority = issuer.headers("authority")
    for place, expected in ((first, before), (second, merged)):
        scans = client.get(f"/v1/checkpoints/{place}/scans", headers=authority).json()["scans"]
        assert [each["scan_id"] for each in scans] == [expected["scan_id"]]
    (area,) = {e.area for _, e in told(sql, "ScanRecorded") if e.scan_id == merged["scan_id"]}
    assert area == "440104003"
    assert client.get(f"/v1/checkpoints/{first}", headers=operator).json()["successor_id"] == str(second)
    for place, change, into in ((second, "merge", first), (first, "close", None), (third, "merge", first)):
        refused = order(place, change, 2 if place == first else 1, **({"into": str(into)} if into else {}))
        assert (refused.status_code, refused.json()["code"]) == (409, "change_refused")


def test_mergers_at_set_times_never_make_a_circle(register, order):
    first, second, third = register(name="first"), register(name="second"), register(name="third")
    now = datetime.now(UTC)
    assert order(first, "merge", into=str(second), at=(now + 3 * HOUR).isoformat()).status_code == 201
    assert order(second, "merge", into=str(third), at=(now + 2 * HOUR).isoformat()).status_code == 201
    for place, into in ((third, first), (second, first), (third, third)):
        revision = 2 if place == second else 1
        refused = order(place, "merge", revision, into=str(into), at=(now + HOUR).isoformat())
        assert (refused.status_code, refused.json()["code"]) == (409, "change_refused")


def test_nobody_merges_a_post_into_one_that_lies_outside_their_area(client, register, order, issuer, sql):
    here, there = register(area="440103001"), register(area="440104003")
    own, leaving = register(area="440103002"), register(area="440103002")
    at = datetime.now(UTC) + HOUR
    assert order(leaving, "move", area="440104003", at=at.isoformat()).status_code == 201
    liwan, yuexiu = (issuer.headers("operator", area=area) for area in ("440103", "440104"))
    merge = {"change": "merge", "expected_revision": 1, "reason": "x"}
    for headers, into, when in (
        (liwan, there, None),
        (yuexiu, there, None),
        (liwan, leaving, (at + HOUR).isoformat()),
        (yuexiu, leaving, (at + HOUR).isoformat()),
    ):
        body = merge | {"into": str(into), "at": when}
        refused = client.post(f"/v1/checkpoints/{here}/changes", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "area_refused"), refused.text
    many = [merge | {"checkpoint_id": str(each), "into": str(into)} for each, into in ((own, here), (here, there))]
    refused = client.post("/v1/checkpoints/changes", json={"changes": many}, headers=liwan)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (403, "changes.1")
    assert sql("SELECT count(*) FROM checkpoint_version WHERE successor IS NOT NULL") == [(0,)]
    for place, into, headers in ((own, here, liwan), (here, there, issuer.headers("operator"))):
        body = merge | {"into": str(into)}
        assert client.post(f"/v1/checkpoints/{place}/changes", json=body, headers=headers).status_code == 201


def test_what_holds_later_is_ordered_by_those_who_reach_where_the_post_lies_then(client, register, order, issuer):
    place = register(area="440103001")
    at = datetime.now(UTC) + HOUR
    assert order(place, "move", area="440104003", at=at.isoformat()).status_code == 201
    liwan = issuer.headers("operator", area="440103")
    for when, status in ((at + HOUR, 403), (at - HOUR / 2, 201)):
        body = {"change": "move", "name": "G15", "expected_revision": 2, "reason": "x", "at": when.isoformat()}
        answer = client.post(f"/v1/checkpoints/{place}/changes", json=body, headers=liwan)
        assert answer.status_code == status, answer.text


def test_a_gate_of_a_merged_post_writes_people_down_at_the_successor_and_nobody_else_of_its_area_does(
    client, register, order, issuer, gate, sql
):
    """The merger binds the gate; of whoever is not bound it is the successor that must lie in their area."""
    first, second = register("road", area="440103001"), register("road", area="440104003")
    assert order(first, "merge", into=str(second)).status_code == 201
    liwan, yuexiu = (issuer.headers("community", area=area) for area in ("440103001", "440104003"))
    bound = gate(first, area="440103")
    for headers, place, status in (
        (bound, first, 200),
        (bound, second, 200),
        (gate(second, area="440104"), second, 200),
        (yuexiu, first, 200),
        (yuexiu, second, 200),
        (liwan, first, 403),
        (liwan, second, 403),
        (gate(first, area="440104"), second, 403),
        (gate(second, area="440104"), first, 403),
    ):
        answer = client.post("/v1/registrations", json=form(place), headers=headers)
        assert answer.status_code == status, answer.text
        assert status == 200 or answer.json()["code"] == "checkpoint_refused"
    before = client.post("/v1/registrations", json=form(second, at=ago(minutes=30)), headers=bound)
    assert before.status_code == 403
    assert sql("SELECT DISTINCT checkpoint_id FROM registration") == [(second,)]


def test_old_scans_stay_under_what_their_checkpoint_was(client, register, order, show, issuer, sql):
    place = register("mall", area="440103001")
    at = ago(minutes=4)
    old = show(place, at)
    (person_ref,) = sql("SELECT DISTINCT person_ref FROM scan")[0]
    since = (at + timedelta(minutes=1)).isoformat()
    assert order(place, "move", area="440104003", name="moved", at=since).status_code == 201
    new = show(place)
    liwan, yuexiu = (issuer.headers("authority", area=area) for area in ("440103", "440104"))
    for who, expected in ((liwan, old), (yuexiu, new)):
        scans = client.get(f"/v1/people/{person_ref}/scans", headers=who).json()["scans"]
        assert [each["scan_id"] for each in scans] == [expected["scan_id"]]


def test_seventeen_posts_are_converted_at_one_moment_or_none_is(client, register, operator, sql):
    posts = [register("road", name=f"post {n}") for n in range(17)]
    at = (datetime.now(UTC) + HOUR).isoformat()
    changes = [
        {"checkpoint_id": str(post), "change": "convert", "kind": "compound", "expected_revision": 1, "reason": "x"}
        | {"at": at}
        for post in posts
    ]
    stale = client.post(
        "/v1/checkpoints/changes",
        json={"changes": [*changes[:16], changes[16] | {"expected_revision": 7}]},
        headers=operator,
    )
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_stale")
    assert stale.json()["errors"][0]["field"] == "changes.16"
    assert sql("SELECT count(*) FROM checkpoint_change WHERE number > 1") == [(0,)]
    answer = client.post("/v1/checkpoints/changes", json={"changes": changes}, headers=operator)
    assert answer.status_code == 201, answer.text
    assert {each["revision"] for each in answer.json()["changes"]} == {2}
    assert sql("SELECT kind, count(*) FROM checkpoint_version WHERE holds_until > '9000-01-01' GROUP BY 1") == [
        ("compound", 17)
    ]


def test_posts_converted_at_one_moment_decide_as_their_kind_did_before_it_and_as_the_new_one_does_after(
    client, register, operator, gate, codes, person
):
    """A yellow code is stopped on the road and checked at a compound, by the policy that ships."""
    posts = [register("road", name=f"post {n}") for n in range(17)]
    _, idx = person(YELLOW)
    at = datetime.now(UTC) + timedelta(seconds=2.5)
    change = {"change": "convert", "kind": "compound", "expected_revision": 1, "reason": "x", "at": at.isoformat()}
    body = {"changes": [change | {"checkpoint_id": str(post)} for post in posts]}
    assert client.post("/v1/checkpoints/changes", json=body, headers=operator).status_code == 201

    def decisions(scanned_at):
        bodies = [scan(post, at=scanned_at, credential={"pass": codes.mint(idx, at=scanned_at)}) for post in posts]
        answer = client.post("/v1/scans/batch", json={"scans": bodies}, headers=gate(*posts))
        single = scan(posts[0], at=scanned_at, credential={"pass": codes.mint(idx, at=scanned_at)})
        alone = client.post("/v1/scans", json=single, headers=gate(posts[0])).json()
        return [each["decision"] for each in (*answer.json()["results"], alone)]

    before = decisions(datetime.now(UTC))
    assert datetime.now(UTC) < at, "the machine was too slow to scan before the moment"
    assert before == ["stop"] * 18
    wait_for(lambda: datetime.now(UTC) >= at)
    assert decisions(datetime.now(UTC)) == ["check"] * 18
    assert decisions(at - timedelta(seconds=1)) == ["stop"] * 18
    assert decisions(at) == ["check"] * 18


def test_a_change_is_told_when_ordered_and_when_it_holds(client, register, order, worker, sql, operator, issuer):
    place = register("road", name="G4")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert order(place, "convert", kind="port", at=tomorrow.isoformat()).status_code == 201
    assert order(place, "close", 2, at=(tomorrow + HOUR).isoformat()).status_code == 201
    assert order(place, "withdraw", 3, withdraws=3).status_code == 201
    assert [(r, e.change, e.withdraws) for r, e in told(sql, "CheckpointChangeOrdered")] == [
        (2, "convert", 0),
        (3, "close", 0),
        (4, "withdraw", 3),
    ]
    registered = places.Places(None, b"", tell)
    for shown in (1, 0):
        with worker.database.transaction() as tx:
            assert registered.show_due(tx, tomorrow + 2 * HOUR) == shown
    shown = [(r, e.kind, e.stage) for r, e in told(sql, "CheckpointRegistered")]
    assert shown == [(1, "road", "open"), (5, "port", "open")]
    lines = client.get(f"/v1/checkpoints/{place}/changes", headers=operator).json()["changes"]
    assert [(line["number"], line["change"], line["ordered_by"]) for line in lines] == [
        (1, "register", "operator-1"),
        (2, "convert", "operator-1"),
        (3, "close", "operator-1"),
        (4, "withdraw", "operator-1"),
    ]
    assert lines[0]["at"] is None
    assert lines[1]["reason"] == "by order"


def test_of_orders_that_saw_the_same_only_one_is_taken(register, order, sql):
    place = register("road")
    with ThreadPoolExecutor(8) as operators:
        answers = list(operators.map(lambda n: order(place, "move", name=f"G{n}"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 7
    assert sql("SELECT count(*) FROM checkpoint_change WHERE number > 1") == [(1,)]


def test_another_process_knows_within_two_seconds(settings, codes, client, register, order, gate):
    place = register("road")
    second = compose_api(settings, codes=codes)
    with TestClient(second.scan_routes):
        registry = second.app.state.desk.registry
        assert order(place, "close").status_code == 201
        wait_for(lambda: not registry.find(place, datetime.now(UTC)).is_open, deadline_s=2.0)


def test_bad_orders_name_the_field_and_change_nothing(client, register, order, issuer, sql):
    place = register("road")
    for field, change, more in (
        ("change", "burn", {}),
        ("expected_revision", "close", {"expected_revision": "1"}),
        ("reason", "close", {"reason": ""}),
        ("at", "close", {"at": "2020-01-01T00:00:00"}),
        ("at", "close", {"at": "2020-01-01T00:00:00Z"}),
        ("at", "close", {"at": "9999-01-01T00:00:00Z"}),
        ("kind", "convert", {"kind": "airport"}),
        ("area", "move", {"area": "Liwan"}),
        ("into", "merge", {"into": "there"}),
        ("why", "close", {"why": "?"}),
        ("body", "convert", {}),
        ("body", "close", {"kind": "port"}),
    ):
        body = {"change": change, "expected_revision": 1, "reason": "x"} | more
        answer = client.post(f"/v1/checkpoints/{place}/changes", json=body, headers=issuer.headers("operator"))
        assert answer.status_code == 422, (field, answer.text)
        assert answer.json()["errors"][0]["field"] == field
    for status, code, headers, more in (
        (403, "area_refused", issuer.headers("operator", area="440104"), {}),
        (403, "area_refused", issuer.headers("operator", area="440103"), {"change": "move", "area": "440104003"}),
        (422, "area_unknown", issuer.headers("operator"), {"change": "move", "area": "440199001"}),
        (404, "checkpoint_not_found", issuer.headers("operator"), {"change": "merge", "into": str(uuid4())}),
        (409, "change_refused", issuer.headers("operator"), {"change": "merge", "into": str(place)}),
        (409, "change_refused", issuer.headers("operator"), {"change": "withdraw", "withdraws": 9}),
        (412, "revision_stale", issuer.headers("operator"), {"expected_revision": 2}),
        (403, "role_missing", issuer.headers("gate"), {}),
    ):
        body = {"change": "close", "expected_revision": 1, "reason": "x"} | more
        answer = client.post(f"/v1/checkpoints/{place}/changes", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert order(uuid4(), "close").status_code == 404
    assert sql("SELECT count(*) FROM checkpoint_change") == [(1,)]
