"""Venues: who is inside is counted off the path, and full and free are told once each time."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from services.checkpoints.main import tell
from services.checkpoints.use_cases.venues import Venues
from tests.integration.checkpoints.town import GREEN, RED, ago, scan, scan_fact, wait_for
from wire.checkpoints.v1 import events_pb2 as wire

VENUE = "Somewhere"


def told(sql):
    asked = "SELECT type, headers->>'ce_revision', payload FROM outbox WHERE type LIKE '%%.Venue%%' ORDER BY seq"
    rows = sql(asked)
    return [
        (kind.rpartition(".")[2], int(revision), getattr(wire, kind.rpartition(".")[2]).FromString(payload).inside)
        for kind, revision, payload in rows
    ]


@pytest.fixture
def put(client, issuer):
    def capacity(people, *, venue=VENUE, **claims):
        body = {"capacity": people}
        return client.put(f"/v1/venues/{venue}", json=body, headers=issuer.headers("operator", **claims))

    return capacity


@pytest.fixture
def occupancy(client, issuer):
    def read():
        return client.get(f"/v1/venues/{VENUE}/occupancy", headers=issuer.headers("operator")).json()

    return read


@pytest.fixture
def take(worker, sql):
    """Scans that are recorded, and then told to the worker in an order of their own: (place, who, direction, at)."""
    venues = Venues(tell, ZoneInfo("Asia/Shanghai"))
    people: dict[str, UUID] = defaultdict(uuid4)

    def taken(*moves, told=None, now=None, **more):
        facts = []
        for place, who, direction, at in moves:
            known = {"person_ref": people[who]} if who else {"person_ref": None, "list": 0}
            facts.append(scan_fact(at, checkpoint_id=place, direction=direction, recorded_at=ago(), **known, **more))
            record(sql, facts[-1])
        with worker.database.transaction() as tx:
            venues.take_scans(tx, [facts[n] for n in told] if told else facts, now or ago())

    return taken


def record(sql, fact):
    sql(
        "INSERT INTO scan (scan_id, checkpoint_id, scanned_at, recorded_at, person_ref, decision, colour, "
        "policy_version, board_revision, direction, is_self_reported, digest) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, 'default@1', 1, %s, false, '')",
        fact.scan_id, fact.checkpoint_id, fact.scanned_at, fact.recorded_at, fact.person_ref, fact.decision,
        fact.colour, fact.direction,
    )  # fmt: skip


def noon() -> datetime:
    """Of the city's day of now, so that a test in its first minutes looks at one day."""
    return datetime.now(ZoneInfo("Asia/Shanghai")).replace(hour=12, minute=0, second=0, microsecond=0).astimezone(UTC)


def test_full_and_free_are_told_once_each_time_the_limit_is_crossed(register, put, occupancy, worker, take, sql):
    one, two, at = register("mall"), register("mall"), noon()
    assert put(2).status_code == 200
    take((one, "li", "in", at))
    take((one, "wang", "in", at), decision="stop")
    assert (occupancy()["inside"], occupancy()["full"], told(sql)) == (1, False, [])
    take((two, "zhao", "in", at), (two, "qian", "in", at))
    assert (occupancy()["inside"], occupancy()["full"]) == (3, True)
    later = at + timedelta(minutes=1)
    take((one, "li", "out", later), (one, "qian", "out", later))
    assert told(sql) == [("VenueFull", 1, 3), ("VenueFree", 2, 1)]
    assert put(1).json()["full"] is True
    assert put(5).json()["full"] is False
    assert [kind for kind, _, _ in told(sql)] == ["VenueFull", "VenueFree"] * 2
    assert put(1).json()["inside"] == 1
    take((one, "sun", "in", at - timedelta(days=1)))
    assert occupancy()["inside"] == 1
    venues = Venues(tell, ZoneInfo("Asia/Shanghai"))
    for _ in range(2):
        with worker.database.transaction() as tx:
            venues.turn_day(tx, at + timedelta(days=1))
    assert told(sql)[-2:] == [("VenueFull", 5, 1), ("VenueFree", 6, 0)]


def test_who_goes_out_without_having_come_in_takes_nobody_along(register, put, occupancy, take):
    place, at = register("mall"), noon()
    put(2)
    take(*((place, who, "out", at) for who in ("a", "b", "c")))
    assert (occupancy()["inside"], occupancy()["entered"], occupancy()["departed"]) == (0, 0, 0)
    take(*((place, who, "in", at + timedelta(minutes=1)) for who in ("d", "e", "f")))
    counted = occupancy()
    assert (counted["inside"], counted["entered"], counted["departed"], counted["full"]) == (3, 3, 0, True)


def test_a_person_is_inside_once_and_out_once(register, occupancy, take):
    place, other, at = register("mall"), register("mall"), noon()
    minutes = [timedelta(minutes=n) for n in range(6)]
    take((place, "li", "in", at), (other, "li", "in", at + minutes[1]), (place, "wang", "in", at + minutes[1]))
    assert occupancy()["inside"] == 2
    take((place, "li", "out", at + minutes[2]), (other, "li", "out", at + minutes[3]))
    assert occupancy()["inside"] == 1
    take((place, "li", "in", at + minutes[4]))
    assert (occupancy()["inside"], occupancy()["entered"], occupancy()["departed"]) == (2, 3, 1)


def test_movements_that_are_learnt_of_in_the_wrong_order_count_as_they_were(register, occupancy, take):
    place, at = register("mall"), noon()
    moves = [(place, "li", "in", at), (place, "li", "out", at + timedelta(hours=1))]
    take(moves[1])
    take(moves[0])
    assert (occupancy()["inside"], occupancy()["entered"], occupancy()["departed"]) == (0, 1, 1)
    take((place, "wang", "out", at), (place, "wang", "in", at - timedelta(hours=1)), told=[1, 0])
    assert (occupancy()["inside"], occupancy()["entered"], occupancy()["departed"]) == (0, 2, 2)


def test_of_people_whom_nobody_knows_never_fewer_than_none_are_inside(register, occupancy, take):
    place, at = register("mall"), noon()
    take((place, "li", "in", at))
    take(*((place, None, "out", at) for _ in range(3)))
    assert occupancy()["inside"] == 1
    take(*((place, None, "in", at + timedelta(minutes=n)) for n in range(2)))
    counted = occupancy()
    assert (counted["inside"], counted["entered"] - counted["departed"]) == (3, 3)


def test_whoever_is_inside_at_midnight_begins_anew(register, occupancy, take):
    place = register("mall")
    midnight = datetime.now(ZoneInfo("Asia/Shanghai")).replace(hour=0, minute=0, second=0, microsecond=0)
    take((place, "li", "in", midnight - timedelta(minutes=10)), (place, "li", "out", midnight))
    assert (occupancy()["inside"], occupancy()["departed"]) == (0, 0)


def test_who_came_in_at_a_checkpoint_that_was_merged_goes_out_at_the_other(
    register, occupancy, take, client, issuer, sql
):
    east, west, at = register("mall"), register("mall"), ago(minutes=1)
    take((east, "li", "in", at))
    order = {"change": "merge", "into": str(west), "expected_revision": 1, "reason": "works"}
    answer = client.post(f"/v1/checkpoints/{east}/changes", json=order, headers=issuer.headers("operator"))
    assert answer.status_code == 201, answer.text
    take((west, "li", "out", ago()))
    assert occupancy()["inside"] == 0


def test_a_person_counts_by_pass_and_document_alike_and_once_known(
    client, register, occupancy, gate, codes, person, running, sql, put
):
    """Enrolled and at the gate within the same second: the pass names somebody before the table of holders does."""
    put(2)
    document = {"type": "passport", "number": "E12345678"}
    place, headers = register("mall"), None
    headers = gate(place)

    def send(direction, credential, **more):
        body = scan(place, credential=credential, direction=direction, **more)
        assert client.post("/v1/scans", json=body, headers=headers).status_code == 200
        return body

    ref = person_ref_of_document(sql, send("in", {"document": document}))
    _, idx = person(GREEN, person_ref=ref)
    send("in", {"pass": codes.mint(idx)})
    _, other = person(GREEN)
    send("in", {"pass": codes.mint(other)})
    wait_for(lambda: occupancy()["inside"] == 2)
    send("out", {"document": document})
    wait_for(lambda: occupancy()["inside"] == 1)
    assert (occupancy()["entered"], occupancy()["departed"]) == (2, 1)


def person_ref_of_document(sql, body):
    [(ref,)] = sql("SELECT person_ref FROM scan WHERE scan_id = %s", body["scan_id"])
    return ref


def test_recorded_scans_are_counted_by_the_worker_and_no_gate_waits(
    client,
    register,
    put,
    occupancy,
    gate,
    codes,
    person,
    running,
    sql,
):
    place = register("mall")
    assert put(1).status_code == 200
    _, green = person(GREEN)
    _, red = person(RED)
    moves = (("in", green), ("in", green), ("in", red), ("out", green), (None, green))
    for seconds, (direction, idx) in zip((50, 40, 30, 20, 10), moves, strict=True):
        body = scan(place, credential={"pass": codes.mint(idx, at=ago(seconds=seconds))})
        body |= {"direction": direction} if direction else {}
        assert client.post("/v1/scans", json=body, headers=gate(place)).status_code == 200
        client.post("/v1/scans", json=body, headers=gate(place))
    wait_for(lambda: sql("SELECT sum(scans) FROM scan_tally") == [(5,)])
    counted = occupancy()
    assert (counted["entered"], counted["departed"], counted["inside"], counted["capacity"]) == (1, 1, 0, 1)
    assert counted["day"] == datetime.now(ZoneInfo("Asia/Shanghai")).date().isoformat()


def test_who_may_set_a_capacity_and_how(client, register, put, issuer):
    register("mall", area="440103001")
    register("mall", area="440104003")
    assert put(100, area="440103").json()["code"] == "area_refused"
    assert put(100, venue="Nowhere").json()["code"] == "venue_unknown"
    for people in (0, "100", 2_000_000, None):
        answer = put(people)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "capacity")
    path = f"/v1/venues/{VENUE}/occupancy"
    seen = client.get(path, headers=issuer.headers("operator", area="440103")).json()
    assert (seen["capacity"], seen["full"]) == (None, False)
    assert client.get(path, headers=issuer.headers("operator", area="440105")).status_code == 403
    assert client.put(f"/v1/venues/{VENUE}", json={"capacity": 1}, headers=issuer.headers("gate")).status_code == 403
    assert client.get(path, headers=issuer.headers("citizen")).status_code == 403


@pytest.fixture
def theirs(client, issuer):
    """Another district's venue, as its own operator registered it: a mall with one door."""
    body = {"kind": "mall", "name": "East", "venue": VENUE, "area": "440113007"}
    return client.post("/v1/checkpoints", json=body, headers=issuer.headers("operator", area="440113")).json()


def test_nobody_takes_over_a_venue_by_its_name(client, issuer, put, theirs, sql):
    mine, path = issuer.headers("operator", area="440111"), f"/v1/venues/{VENUE}/occupancy"
    body = {"kind": "mall", "name": "x", "area": "440111010"}

    def post(path, body, headers=mine):
        answer = client.post(path, json=body, headers=headers)
        return answer.status_code, answer.json().get("code")

    refused = (403, "venue_refused")
    assert post("/v1/checkpoints", body | {"venue": VENUE}) == refused
    assert post("/v1/checkpoints", body | {"venue": f" {VENUE} "}) == refused
    assert post("/v1/checkpoints", body | {"venue": VENUE, "opens_at": ago(hours=-1).isoformat()}) == refused
    many = client.post(
        "/v1/checkpoints/batch",
        json={"checkpoints": [body, body | {"venue": VENUE}, body | {"venue": VENUE}]},
        headers=mine,
    )
    assert (many.status_code, many.json()["errors"][0]["field"]) == (403, "checkpoints.1")
    assert sql("SELECT count(*) FROM checkpoint") == [(1,)]
    place = client.post("/v1/checkpoints", json=body | {"venue": "Own"}, headers=mine).json()["checkpoint_id"]
    change = {"expected_revision": 1, "reason": "works", "venue": VENUE}
    later = {"at": ago(hours=-1).isoformat()}
    for kind in ({"change": "move"}, {"change": "convert", "kind": "hospital"}, {"change": "move"} | later):
        order = change | kind
        assert post(f"/v1/checkpoints/{place}/changes", order) == refused
        listed = {"changes": [order | {"checkpoint_id": place}]}
        answer = client.post("/v1/checkpoints/changes", json=listed, headers=mine)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, "changes.0")
    assert client.get(path, headers=mine).status_code == 403
    assert put(100, area="440113").status_code == 200


def test_a_venue_that_another_checkpoint_leaves_later_or_comes_to_is_taken(client, issuer, theirs):
    city, mine = issuer.headers("operator"), issuer.headers("operator", area="440111")
    move = {
        "change": "move",
        "expected_revision": 1,
        "reason": "works",
        "venue": "New",
        "at": ago(hours=-1).isoformat(),
    }
    moved = client.post(f"/v1/checkpoints/{theirs['checkpoint_id']}/changes", json=move, headers=city)
    assert moved.status_code == 201
    body = {"kind": "mall", "name": "x", "area": "440111010"}
    for venue, status in ((VENUE, 403), ("New", 403), ("Newer", 201)):
        assert client.post("/v1/checkpoints", json=body | {"venue": venue}, headers=mine).status_code == status


def test_a_venue_is_joined_by_who_reaches_it_and_stays_so(client, issuer, theirs):
    body = {"kind": "mall", "name": "West", "venue": VENUE, "area": "440113008"}
    city, own, other = (issuer.headers("operator", area=area) for area in ("4401", "440113", "440111"))
    beyond = body | {"area": "440111010", "checkpoint_id": str(uuid4())}
    assert client.post("/v1/checkpoints", json=body, headers=own).status_code == 201
    assert client.post("/v1/checkpoints", json=beyond, headers=city).status_code == 201
    assert client.post("/v1/checkpoints", json=beyond, headers=other).status_code == 200, "registered before"
    assert client.post("/v1/checkpoints", json=body, headers=own).status_code == 201
    assert client.post("/v1/checkpoints", json=body | {"area": "440111011"}, headers=other).status_code == 201


def test_of_districts_that_register_one_venue_at_once_one_has_it(client, issuer, sql):
    def register(district):
        body = {"kind": "mall", "name": "Door", "venue": VENUE, "area": f"{district}001"}
        headers = issuer.headers("operator", area=district)
        batch = {"checkpoints": [body | {"venue": f"{district} {n}"} for n in range(300)] + [body]}
        return client.post("/v1/checkpoints/batch", json=batch, headers=headers).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(register, ("440103", "440104", "440105", "440117")))
    assert sorted(statuses) == [201, 403, 403, 403]
    assert sql("SELECT count(*) FROM checkpoint WHERE venue = %s", VENUE) == [(1,)]
