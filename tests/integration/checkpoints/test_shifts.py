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
