"""Venues: who is inside is counted off the path, and full and free are told once each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
        return client.get(f"/v1/venues/{VENUE}/occupancy", headers=issuer.headers("gate")).json()

    return read


def fact(place, direction, at, *, decision="pass"):
    return scan_fact(at, checkpoint_id=place, direction=direction, decision=decision)


def test_full_and_free_are_told_once_each_time_the_limit_is_crossed(register, put, occupancy, worker, sql):
    one, two = register("mall"), register("mall")
    assert put(2).status_code == 200
    venues = Venues(tell, ZoneInfo("Asia/Shanghai"))
    now = datetime.now(UTC)

    def take(*scans):
        with worker.database.transaction() as tx:
            venues.take_scans(tx, scans, now)

    take(fact(one, "in", now), fact(one, "in", now, decision="stop"))
    assert (occupancy()["inside"], occupancy()["full"], told(sql)) == (1, False, [])
    take(fact(two, "in", now))
    take(fact(two, "in", now))
    assert (occupancy()["inside"], occupancy()["full"]) == (3, True)
    take(fact(one, "out", now), fact(one, "out", now))
    assert told(sql) == [("VenueFull", 1, 2), ("VenueFree", 2, 1)]
    assert put(1).json()["full"] is True
    assert put(5).json()["full"] is False
    assert [kind for kind, _, _ in told(sql)] == ["VenueFull", "VenueFree"] * 2
    assert put(1).json()["inside"] == 1
    yesterday, tomorrow = now - timedelta(days=1), now + timedelta(days=1)
    take(fact(one, "in", yesterday))
    assert occupancy()["inside"] == 1
    for _ in range(2):
        with worker.database.transaction() as tx:
            venues.turn_day(tx, tomorrow)
    assert told(sql)[-2:] == [("VenueFull", 5, 1), ("VenueFree", 6, 0)]


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
    assert (counted["entered"], counted["departed"], counted["inside"], counted["capacity"]) == (2, 1, 1, 1)
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
