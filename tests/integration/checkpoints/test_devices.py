"""Devices: readings that name nobody, what follows a hot one, and alarms for those that are silent or drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from chassis.ids import uuid7
from services.checkpoints.main import tell
from services.checkpoints.use_cases.measuring import Measuring
from tests.integration.checkpoints.town import GREEN, ago
from wire.checkpoints.v1 import events_pb2 as wire

MINUTE = timedelta(minutes=1)
DOCUMENT = {"type": "resident_id", "number": "420106199001011234"}


@pytest.fixture
def measuring():
    return Measuring(tell, ZoneInfo("Asia/Shanghai"), case_within=15 * MINUTE)


@pytest.fixture
def install(client, issuer):
    def installed(place, device_id="T-1", **more):
        body = {"device_id": device_id, "kind": "thermal_camera", "checkpoint_id": str(place), "accuracy_c": 0.5}
        return client.post("/v1/devices", json=body | more, headers=issuer.headers("operator"))

    return installed


def reading(temperature_c=36.5, at=None):
    at = at or datetime.now(UTC)
    return {"reading_id": str(uuid7(at)), "temperature_c": temperature_c, "measured_at": at.isoformat()}


@pytest.fixture
def send(client, issuer):
    def sent(body, device_id="T-1"):
        return client.post("/v1/readings", json=body, headers=issuer.headers("device", sub=device_id))

    return sent


@pytest.fixture
def take(client, gate):
    def taken(place, case_id, step, version, **more):
        body = {"step": step, "expected_version": version, **more}
        return client.post(f"/v1/measurement-cases/{case_id}/steps", json=body, headers=gate(place))

    return taken


def told(sql, name):
    rows = sql("SELECT headers->>'ce_revision', payload FROM outbox WHERE type LIKE %s ORDER BY seq", f"%.{name}")
    return [(int(revision), getattr(wire, name).FromString(payload)) for revision, payload in rows]


def test_a_device_is_registered_once_and_placed_anew_by_revision(client, register, install, issuer):
    place, other = register(), register(area="440104003")
    first = install(place, on_from="06:00", on_to="23:30")
    assert first.status_code == 201, first.text
    assert install(place, on_from="06:00", on_to="23:30").status_code == 200
    refused = install(other)
    assert (refused.status_code, refused.json()["code"]) == (409, "device_registered_otherwise")
    body = {"checkpoint_id": str(other), "accuracy_c": 0.3, "interval_s": 60, "expected_revision": 1}
    operator = issuer.headers("operator")
    moved = client.put("/v1/devices/T-1", json=body, headers=operator)
    assert moved.status_code == 200, moved.text
    assert (moved.json()["checkpoint_id"], moved.json()["revision"]) == (str(other), 2)
    stale = client.put("/v1/devices/T-1", json=body, headers=operator)
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_stale")
    liwan = issuer.headers("operator", area="440103")
    assert client.put("/v1/devices/T-1", json=body | {"expected_revision": 2}, headers=liwan).status_code == 403
    assert client.get("/v1/devices/T-1", headers=operator).json()["troubles"] == []
    for field, more in (
        ("device_id", {"device_id": "?"}),
        ("kind", {"kind": "camera"}),
        ("accuracy_c", {"accuracy_c": None}),
        ("accuracy_c", {"accuracy_c": "0.5"}),
        ("interval_s", {"interval_s": 1}),
        ("on_from", {"on_from": "noon", "on_to": "23:00"}),
        ("body", {"on_from": "06:00"}),
        ("photo", {"photo": "x"}),
    ):
        answer = install(place, **{"device_id": "T-7"} | more)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text
    assert install(uuid4(), "T-7").json()["code"] == "checkpoint_not_found"
    assert client.get("/v1/devices/T-7", headers=operator).json()["code"] == "device_not_found"


def test_readings_are_taken_once_and_name_nobody(client, register, install, send, sql, issuer):
    install(register())
    many = [reading() for _ in range(3)]
    assert send(many).json() == {"recorded": 3, "cases": []}
    assert send([*many, reading()]).json() == {"recorded": 1, "cases": []}
    assert send(reading()).json()["recorded"] == 1
    other = send([reading(), many[0] | {"temperature_c": 36.9}])
    assert (other.status_code, other.json()["code"]) == (409, "reading_id_reused")
    assert sql("SELECT count(*) FROM reading") == [(5,)]
    columns = {name for (name,) in sql("SELECT column_name FROM information_schema.columns WHERE table_name='reading'")}
    assert columns == {"reading_id", "device_id", "temperature_c", "measured_at", "received_at"}
    for field, body in (
        ("0.reading_id", reading() | {"reading_id": str(uuid4())}),
        ("0.measured_at", reading(at=ago(days=2))),
        ("1.temperature_c", [reading(), reading() | {"temperature_c": "36"}]),
        ("0.temperature_c", reading(None)),
        ("0.temperature_c", reading(90)),
        ("0.name", reading() | {"name": "x"}),
        ("body", []),
        ("body", [reading()] * 501),
    ):
        answer = send(body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text
    assert send(reading(), "T-9").json()["code"] == "device_not_found"
    assert client.post("/v1/readings", json=reading(), headers=issuer.headers("gate")).status_code == 403
    assert sql("SELECT count(*) FROM reading") == [(5,)]


def test_a_hot_reading_is_measured_again_identified_and_handed_over(client, register, install, send, take, gate, sql):
    place = register("metro")
    install(place)
    hot, old = reading(37.3), reading(38.0, at=ago(minutes=30))
    (opened,) = send([reading(37.2), hot, old]).json()["cases"]
    assert opened["reading_id"] == hot["reading_id"]
    assert send(hot).json() == {"recorded": 0, "cases": []}
    case_id = opened["case_id"]
    (listed,) = client.get(f"/v1/measurement-cases?checkpoint={place}", headers=gate(place)).json()["cases"]
    assert (listed["stage"], listed["next_steps"]) == ("to_remeasure", ["leave", "remeasure"])
    early = take(place, case_id, "identify", 1, credential={"document": DOCUMENT})
    assert (early.status_code, early.json()["code"]) == (409, "step_refused")
    measured = take(place, case_id, "remeasure", 1, temperature_c=37.9)
    assert measured.status_code == 200, measured.text
    assert (measured.json()["stage"], measured.json()["version"]) == ("to_identify", 2)
    stale = take(place, case_id, "identify", 1, credential={"document": DOCUMENT})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    assert take(place, case_id, "identify", 2, credential={"document": DOCUMENT}).json()["stage"] == "to_hand_over"
    handed = take(place, case_id, "hand_over", 3).json()
    assert (handed["stage"], handed["clinic_id"], handed["next_steps"]) == ("handed_over", "FC44010301", [])
    assert [(revision, moved.step) for revision, moved in told(sql, "MeasurementCaseMoved")] == [
        (2, "measured_hot"),
        (3, "identify"),
        (4, "hand_over"),
    ]
    ((_, fever),) = told(sql, "FeverFlagged")
    assert (fever.scan_id, fever.temperature_c) == (case_id, pytest.approx(37.9, abs=0.01))
    assert fever.person_ref
    steps = client.get(f"/v1/measurement-cases/{case_id}", headers=gate(place)).json()["steps"]
    assert [(step["step"], step["made_by"]) for step in steps][:2] == [
        ("open", "device:T-1"),
        ("measured_hot", "gate-1"),
    ]
    assert client.get(f"/v1/measurement-cases?checkpoint={place}", headers=gate(place)).json()["cases"] == []


def test_who_is_cool_the_second_time_goes_on_and_who_shows_a_pass_is_known(
    register, install, send, take, gate, codes, person, sql
):
    place = register()
    install(place)
    first, second = (send(reading(37.5)).json()["cases"][0]["case_id"] for _ in range(2))
    assert take(place, first, "remeasure", 1, temperature_c=36.8).json()["stage"] == "cleared"
    person_ref, idx = person(GREEN)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, person_ref)
    assert take(place, second, "remeasure", 1, temperature_c=37.4).status_code == 200
    forged = take(place, second, "identify", 2, credential={"pass": "x"})
    assert (forged.status_code, forged.json()["code"]) == (422, "person_unknown")
    assert take(place, second, "identify", 2, credential={"pass": codes.mint(idx)}).status_code == 200
    assert sql("SELECT person_ref FROM measurement_case WHERE case_id = %s", second) == [(person_ref,)]
    for field, step, more in (
        ("step", "arrest", {}),
        ("body", "remeasure", {}),
        ("body", "leave", {"temperature_c": 37.0}),
        ("temperature_c", "remeasure", {"temperature_c": "37"}),
        ("expected_version", "leave", {"expected_version": "3"}),
        ("credential.document.number", "identify", {"credential": {"document": DOCUMENT | {"number": "?"}}}),
    ):
        answer = take(place, second, step, 3, **more)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text
    nowhere = take(place, second, "hand_over", 3, clinic_id="FC0")
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "fever_clinic_not_found")
    assert take(uuid4(), second, "leave", 3).json()["code"] == "checkpoint_refused"
    assert take(place, uuid4(), "leave", 1).json()["code"] == "measurement_case_not_found"
    assert take(place, second, "leave", 3).json()["stage"] == "left"


def test_an_unfinished_case_alarms_once(register, install, send, worker, measuring, sql):
    install(register())
    (opened,) = send(reading(38.0)).json()["cases"]
    for minutes, expected in ((14, 0), (16, 1), (17, 0)):
        with worker.database.transaction() as tx:
            assert measuring.tell_overdue(tx, datetime.now(UTC) + minutes * MINUTE) == expected
    ((revision, overdue),) = told(sql, "MeasurementCaseOverdue")
    assert (revision, overdue.case_id, overdue.stage) == (1, opened["case_id"], "to_remeasure")


def test_a_silent_device_alarms_once_until_it_is_heard_again(
    client, register, install, send, worker, measuring, sql, issuer
):
    place = register()
    install(place, interval_s=60)
    install(place, "D-1", kind="door_sensor", accuracy_c=None, interval_s=3600)

    def watch(minutes):
        with worker.database.transaction() as tx:
            measuring.watch_silence(tx, datetime.now(UTC) + minutes * MINUTE)

    for minutes in (0, 2, 3):
        watch(minutes)
    assert [(revision, silent.device_id) for revision, silent in told(sql, "DeviceSilent")] == [(2, "T-1")]
    assert send(reading()).status_code == 200
    watch(0)
    watch(0)
    assert [(revision, well.trouble) for revision, well in told(sql, "DeviceRecovered")] == [(3, "silent")]
    watch(2)
    assert len(told(sql, "DeviceSilent")) == 2
    close = {"change": "close", "expected_revision": 1, "reason": "night"}
    client.post(f"/v1/checkpoints/{place}/changes", json=close, headers=issuer.headers("operator"))
    assert send(reading()).status_code == 200
    watch(0)
    watch(90)
    assert len(told(sql, "DeviceSilent")) == 2
    troubles = client.get("/v1/devices/T-1", headers=issuer.headers("operator")).json()["troubles"]
    assert [each["trouble"] for each in troubles] == ["silent", "silent"]
    assert all(each["until"] for each in troubles)


def test_a_drifting_device_alarms_once_until_it_is_well_again(register, install, send, worker, measuring, sql):
    place = register()
    for number in range(5):
        install(place, f"T-{number}")
        at = ago(minutes=50)
        warm = 37.1 if number == 4 else 36.4
        assert send([reading(warm, at=at + n * MINUTE) for n in range(20)], f"T-{number}").status_code == 200

    def watch(later=0 * MINUTE):
        with worker.database.transaction() as tx:
            measuring.watch_drift(tx, datetime.now(UTC) + later)

    watch()
    watch()
    ((revision, drifted),) = told(sql, "DeviceDrifted")
    assert (revision, drifted.device_id) == (2, "T-4")
    assert drifted.deviation_c == pytest.approx(0.7, abs=0.01)
    assert send([reading(36.45) for _ in range(60)], "T-4").status_code == 200
    watch()
    assert [(revision, well.trouble) for revision, well in told(sql, "DeviceRecovered")] == [(3, "drifting")]


def test_a_device_without_others_is_held_to_its_own_day_before(register, install, send, worker, measuring, sql):
    install(register())
    before, of_late = ago(hours=5), ago(minutes=50)
    assert send([reading(36.4, at=before + n * MINUTE) for n in range(20)]).status_code == 200
    assert send([reading(37.0, at=of_late + n * MINUTE) for n in range(20)]).status_code == 200
    with worker.database.transaction() as tx:
        measuring.watch_drift(tx, datetime.now(UTC))
    ((_, drifted),) = told(sql, "DeviceDrifted")
    assert drifted.deviation_c == pytest.approx(0.6, abs=0.01)
