"""Shifts: who is on duty at a checkpoint, what they leave word of, and what happened meanwhile."""

from __future__ import annotations

from uuid import uuid4

import pytest

from chassis.ids import uuid7
from tests.integration.checkpoints.test_registrations import form
from tests.integration.checkpoints.town import GREEN, RED, ago, scan


@pytest.fixture
def post(client, gate):
    def posted(place, path="", **body):
        return client.post(f"/v1/shifts{path}", json=body, headers=gate(place))

    return posted


def test_a_shift_signs_on_leaves_word_and_signs_off(client, register, post, gate, issuer, sql):
    place = register("road")
    shift_id = str(uuid7())
    on = {"shift_id": shift_id, "checkpoint_id": str(place), "staff": 4}
    first = post(place, **on)
    assert first.status_code == 201, first.text
    assert (first.json()["stage"], first.json()["note_before"]) == ("on_duty", None)
    assert post(place, **on).status_code == 200
    assert post(place, **on | {"staff": 5}).json()["code"] == "shift_id_reused"
    second = post(place, checkpoint_id=str(place), staff=3)
    assert (second.status_code, second.json()["code"]) == (409, "shift_on_duty_already")
    noted = post(place, f"/{shift_id}/note", note="One thermometer is in repair,\nask 李雷.", expected_version=1)
    assert noted.status_code == 200, noted.text
    stale = post(place, f"/{shift_id}/sign-off", expected_version=1)
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    off = post(place, f"/{shift_id}/sign-off", expected_version=2)
    assert (off.json()["stage"], off.json()["signed_off_by"]) == ("signed_off", "gate-1")
    late = post(place, f"/{shift_id}/note", note="late", expected_version=3)
    assert (late.status_code, late.json()["code"]) == (409, "shift_signed_off")
    following = post(place, checkpoint_id=str(place), staff=3)
    assert following.json()["note_before"] == "One thermometer is in repair,\nask 李雷."
    ((kept,),) = sql("SELECT note_sealed FROM shift WHERE note_sealed IS NOT NULL")
    assert "李雷".encode() not in bytes(kept)
    assert client.get(f"/v1/shifts/{shift_id}", headers=issuer.headers("operator")).json()["staff"] == 4
    assert client.get(f"/v1/shifts/{shift_id}", headers=gate(uuid4())).status_code == 403
    assert client.get(f"/v1/shifts/{uuid4()}", headers=issuer.headers("operator")).json()["code"] == "shift_not_found"
    for field, body in (
        ("staff", on | {"staff": 0}),
        ("staff", on | {"staff": "4"}),
        ("checkpoint_id", on | {"checkpoint_id": "here"}),
        ("shift_id", on | {"shift_id": "1"}),
        ("names", on | {"names": []}),
    ):
        answer = post(place, **body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert post(uuid4(), **on).json()["code"] == "checkpoint_refused"


@pytest.fixture
def merge(client, issuer):
    def merged(place, into):
        body = {"change": "merge", "into": str(into), "expected_revision": 1, "reason": "x"}
        answer = client.post(f"/v1/checkpoints/{place}/changes", json=body, headers=issuer.headers("operator"))
        assert answer.status_code == 201, answer.text

    return merged


@pytest.fixture
def listed(client):
    def shown(place, headers, **more):
        answer = client.get("/v1/shifts", params={"checkpoint": str(place), **more}, headers=headers)
        assert answer.status_code == 200, answer.text
        return [each["shift_id"] for each in answer.json()["shifts"]]

    return shown


def test_a_shift_whose_sign_on_was_never_answered_is_found_and_ended(client, register, post, gate, listed):
    place = register("road")
    lost = post(place, checkpoint_id=str(place), staff=4).json()
    again = post(place, checkpoint_id=str(place), staff=4)
    assert (again.status_code, again.json()["code"]) == (409, "shift_on_duty_already")
    assert again.json()["shift_id"] == lost["shift_id"]
    assert lost["shift_id"] in again.json()["detail"]
    assert set(again.json()) == {"type", "title", "status", "code", "detail", "shift_id"}
    assert listed(place, gate(place)) == [lost["shift_id"]]
    found = client.get(f"/v1/shifts/{again.json()['shift_id']}", headers=gate(place)).json()
    off = post(place, f"/{found['shift_id']}/sign-off", expected_version=found["version"])
    assert off.json()["stage"] == "signed_off"
    assert post(place, checkpoint_id=str(place), staff=4).status_code == 201


def test_an_operator_of_the_area_ends_the_shift_of_a_phone_that_died(client, register, post, gate, issuer):
    place = register("road", area="440103001")
    shift_id = post(place, checkpoint_id=str(place), staff=4).json()["shift_id"]
    path, body = f"/v1/shifts/{shift_id}/sign-off", {"expected_version": 1}
    liwan, yuexiu = (issuer.headers("operator", area=area, sub=f"wang-{area}") for area in ("440103", "440104"))
    for headers, code in (
        (yuexiu, "checkpoint_refused"),
        (gate(uuid4()), "checkpoint_refused"),
        (issuer.headers("community"), "role_missing"),
    ):
        refused = client.post(path, json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, code)
    ended = client.post(path, json=body, headers=liwan)
    assert ended.status_code == 200, ended.text
    assert (ended.json()["signed_off_by"], ended.json()["signed_on_by"]) == ("wang-440103", "gate-1")
    assert post(place, checkpoint_id=str(place), staff=3).status_code == 201
    for other in (f"/{shift_id}/note", ""):
        assert client.post(f"/v1/shifts{other}", json={}, headers=liwan).json()["code"] == "role_missing"


def test_the_shifts_of_a_checkpoint_are_read_newest_first_and_a_page_at_most(
    client, register, post, gate, issuer, listed
):
    place, other = register("road", area="440103001"), register("road")
    post(other, checkpoint_id=str(other), staff=1)
    signed_on = []
    for _ in range(3):
        signed_on.insert(0, post(place, checkpoint_id=str(place), staff=2).json()["shift_id"])
        assert post(place, f"/{signed_on[0]}/sign-off", note="李雷 is ill", expected_version=1).status_code == 200
    signed_on.insert(0, post(place, checkpoint_id=str(place), staff=2).json()["shift_id"])
    liwan = issuer.headers("operator", area="440103")
    for headers in (gate(place), liwan):
        assert listed(place, headers) == signed_on
        assert listed(place, headers, limit=2) == signed_on[:2]
    shown = client.get(f"/v1/shifts?checkpoint={place}", headers=liwan)
    assert "李雷" not in shown.text
    assert [each["stage"] for each in shown.json()["shifts"]] == ["on_duty"] + ["signed_off"] * 3
    for status, headers, query in (
        (403, gate(other), f"checkpoint={place}"),
        (403, issuer.headers("operator", area="440104"), f"checkpoint={place}"),
        (403, issuer.headers("community"), f"checkpoint={place}"),
        (403, liwan, f"checkpoint={uuid4()}"),
        (422, liwan, "checkpoint=here"),
        (422, liwan, f"checkpoint={place}&limit=0"),
        (422, liwan, f"checkpoint={place}&limit=101"),
    ):
        assert client.get(f"/v1/shifts?{query}", headers=headers).status_code == status, query


def test_who_signs_on_at_a_merged_post_signs_on_and_off_at_its_successor(
    client, register, post, gate, issuer, merge, listed
):
    first, second = register("road", area="440103001"), register("road", area="440104003")
    before = post(first, checkpoint_id=str(first), staff=1).json()
    merge(first, second)
    after = post(first, checkpoint_id=str(first), staff=2).json()
    assert (before["checkpoint_id"], after["checkpoint_id"]) == (str(first), str(second))
    busy = post(second, checkpoint_id=str(second), staff=2)
    assert (busy.status_code, busy.json()["shift_id"]) == (409, after["shift_id"])
    both = [after["shift_id"], before["shift_id"]]
    liwan, yuexiu = (issuer.headers("operator", area=area) for area in ("440103", "440104"))
    assert listed(first, gate(first)) == listed(first, issuer.headers("operator")) == both
    assert listed(second, gate(first)) == listed(second, gate(second)) == listed(second, yuexiu) == both[:1]
    assert listed(first, liwan) == both[1:]
    assert client.get(f"/v1/shifts/{after['shift_id']}", headers=liwan).status_code == 403
    assert client.get(f"/v1/shifts/{before['shift_id']}", headers=gate(second)).status_code == 403
    for shift_id in both:
        assert post(first, f"/{shift_id}/note", note="x", expected_version=1).status_code == 200
        assert post(first, f"/{shift_id}/sign-off", expected_version=2).status_code == 200


def test_the_report_of_a_shift_tells_of_the_devices_whose_readings_its_checkpoint_took(
    client, register, post, gate, issuer, merge, sql
):
    first, second = register("road"), register("road")
    devices = {"T-1": first, "T-2": second, "T-3": first}
    for device_id, place in devices.items():
        body = {"device_id": device_id, "kind": "door_sensor", "checkpoint_id": str(place)}
        assert client.post("/v1/devices", json=body, headers=issuer.headers("operator")).status_code == 201
    shifts = {place: post(place, checkpoint_id=str(place), staff=1).json()["shift_id"] for place in (first, second)}
    sql("INSERT INTO device_trouble VALUES ('T-1', 'drifting', clock_timestamp(), clock_timestamp(), 1)")
    merge(first, second)
    for device_id in ("T-2", "T-3"):
        sql("INSERT INTO device_trouble VALUES (%s, 'silent', clock_timestamp(), NULL, NULL)", device_id)

    def in_trouble(place):
        report = client.get(f"/v1/shifts/{shifts[place]}/report", headers=gate(place)).json()
        return [each["device_id"] for each in report["devices"]]

    assert in_trouble(second) == ["T-2", "T-3"]
    assert in_trouble(first) == ["T-1"]


def test_the_report_tells_what_happened_during_the_shift_and_nothing_else(
    client, register, post, gate, codes, person, issuer, sql
):
    place, other = register("road"), register("road")
    shift_id = post(place, checkpoint_id=str(place), staff=4).json()["shift_id"]
    _, green = person(GREEN)
    _, red = person(RED)
    sent = [
        scan(place, credential={"pass": codes.mint(green)}, temperature_c=37.2),
        scan(place, credential={"pass": codes.mint(green)}, temperature_c=37.3),
        scan(place, credential={"pass": codes.mint(red)}),
        scan(place, credential={"pass": codes.mint(green, at=ago(hours=2))}, at=ago(hours=2)),
        scan(other, credential={"pass": codes.mint(green)}),
    ]
    for each in sent:
        assert client.post("/v1/scans", json=each, headers=gate(place, other)).status_code == 200
    assert client.post("/v1/registrations", json=form(place), headers=gate(place)).status_code == 200
    device = {"device_id": "T-1", "kind": "hand_thermometer", "checkpoint_id": str(place), "accuracy_c": 0.2}
    assert client.post("/v1/devices", json=device, headers=issuer.headers("operator")).status_code == 201
    sql("INSERT INTO device_trouble VALUES ('T-1', 'silent', now() - interval '3 hours', NULL, NULL)")
    assert post(place, f"/{shift_id}/sign-off", note="all quiet", expected_version=1).status_code == 200
    report = client.get(f"/v1/shifts/{shift_id}/report", headers=gate(place)).json()
    assert report["scans"] == 3
    assert report["decisions"] == {"pass": {"green": 1}, "check": {}, "stop": {"green": 1, "red": 1}}
    assert (report["fevers"], report["registrations"], report["measurement_cases"]) == (1, {"registered": 1}, {})
    assert [(each["device_id"], each["trouble"]) for each in report["devices"]] == [("T-1", "silent")]
    assert report["note"] == "all quiet"
    assert report["until"] == report["shift"]["signed_off_at"]


def test_shifts_of_a_subtree_are_listed_in_pages(client, register, post, gate, issuer):
    here, there = register("road", area="440103001"), register("road", area="440104001")
    first = post(here, checkpoint_id=str(here), staff=1).json()["shift_id"]
    post(here, f"/{first}/sign-off", expected_version=1)
    second = post(here, checkpoint_id=str(here), staff=2).json()["shift_id"]
    third = post(there, checkpoint_id=str(there), staff=3).json()["shift_id"]

    def listed(headers, **params):
        answer = client.get("/v1/shifts", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        return [each["shift_id"] for each in answer.json()["shifts"]]

    city = issuer.headers("operator")
    assert listed(city) == [third, second, first]
    assert listed(city, stage="on_duty") == [third, second]
    assert listed(issuer.headers("operator", area="440103"), stage="signed_off") == [first]
    page = client.get("/v1/shifts", params={"limit": 2}, headers=city).json()
    assert listed(city, cursor=page["next_cursor"]) == [first]
    assert listed(gate(there)) == [third], "a gate sees those of its own checkpoints"
    assert listed(gate()) == []
    assert client.get("/v1/shifts", headers=issuer.headers("operator", area="")).status_code == 403
