"""Devices: readings that name nobody, what follows a hot one, and alarms for those that are silent or drift."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest

from chassis.ids import uuid7
from services.checkpoints.main import tell
from services.checkpoints.use_cases.measuring import Measuring
from tests.integration.checkpoints.town import GREEN, ago, wait_for
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


@pytest.fixture
def order(client, issuer):
    def ordered(place, change, revision=1, **more):
        body = {"change": change, "expected_revision": revision, "reason": "x", **more}
        answer = client.post(f"/v1/checkpoints/{place}/changes", json=body, headers=issuer.headers("operator"))
        assert answer.status_code == 201, answer.text

    return ordered


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
        ("accuracy_c", {"accuracy_c": 1e-46}),
        ("accuracy_c", {"accuracy_c": 5e-324}),
        ("accuracy_c", {"accuracy_c": 0.0009}),
        ("accuracy_c", {"accuracy_c": 5.0000001}),
        ("on_from", {"on_from": 3600, "on_to": "23:00"}),
        ("on_from", {"on_from": "3600", "on_to": "23:00"}),
        ("on_to", {"on_from": "06:00", "on_to": "23:00Z"}),
        ("on_to", {"on_from": "06:00", "on_to": "24:00"}),
        ("interval_s", {"interval_s": 1}),
        ("on_from", {"on_from": "noon", "on_to": "23:00"}),
        ("body", {"on_from": "06:00"}),
        ("photo", {"photo": "x"}),
    ):
        answer = install(place, **{"device_id": "T-7"} | more)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text
    assert install(uuid4(), "T-7").json()["code"] == "checkpoint_not_found"
    assert client.get("/v1/devices/T-7", headers=operator).json()["code"] == "device_not_found"


def test_what_was_sent_is_what_is_compared_and_shown_however_many_digits_it_has(
    client, register, install, send, issuer
):
    place = register()
    for device_id, accuracy_c in (("T-1", 0.123456789), ("T-2", 0.001), ("T-3", 5), ("T-4", 0.1 + 0.2)):
        statuses = [install(place, device_id, accuracy_c=accuracy_c).status_code for _ in range(2)]
        assert statuses == [201, 200], accuracy_c
        shown = client.get(f"/v1/devices/{device_id}", headers=issuer.headers("operator")).json()
        assert shown["accuracy_c"] == accuracy_c
    assert install(place, accuracy_c=0.12345679).json()["code"] == "device_registered_otherwise"
    fine = reading(36.123456789)
    assert [send(fine).json()["recorded"] for _ in range(2)] == [1, 0]
    assert send(fine | {"temperature_c": 36.123456788}).json()["code"] == "reading_id_reused"
    hot = reading(38.123456789)
    (case,) = send(hot).json()["cases"]
    headers = issuer.headers("gate", checkpoints=[str(place)])
    kept = client.get(f"/v1/measurement-cases/{case['case_id']}", headers=headers).json()
    assert kept["temperature_c"] == 38.123456789


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
    path = f"/v1/measurement-cases/{case_id}"
    steps = client.get(path, headers=gate(place)).json()["steps"]
    assert [(step["step"], step["made_by"]) for step in steps][:2] == [
        ("open", "device:T-1"),
        ("measured_hot", "gate-1"),
    ]
    assert client.get(f"/v1/measurement-cases?checkpoint={place}", headers=gate(place)).json()["cases"] == []
    sql("UPDATE measurement_case SET opened_at = now() - interval '28 days 1 second'")
    assert client.get(path, headers=gate(place)).status_code == 403, "kept long enough"


def test_a_person_who_stands_before_a_camera_for_ten_seconds_opens_one_case(
    client, register, install, send, gate, take, sql
):
    place = register()
    install(place)
    began = ago(seconds=40)
    warmth = [37.4, 37.6, 36.9, 38.2, 38.0, 37.9, 37.3, 37.5, 37.8, 37.9]
    frames = [reading(each, at=began + timedelta(seconds=n)) for n, each in enumerate(warmth)]
    opened = [case for frame in frames for case in send(frame).json()["cases"]]
    assert [each["reading_id"] for each in opened] == [frames[0]["reading_id"]]
    assert send(frames).json() == {"recorded": 0, "cases": []}
    (case,) = client.get(f"/v1/measurement-cases?checkpoint={place}", headers=gate(place)).json()["cases"]
    assert (case["temperature_c"], case["version"]) == (pytest.approx(38.2, abs=0.01), 1)
    assert sql("SELECT count(*) FROM reading") == [(10,)]
    assert len(told(sql, "MeasurementCaseOpened")) == len(told(sql, "MeasurementCaseOverdue")) + 1 == 1
    assert len(send(reading(37.3, at=began + timedelta(seconds=10))).json()["cases"]) == 1
    assert send(reading(37.3, at=began - timedelta(seconds=3))).json()["cases"] == []
    assert take(place, opened[0]["case_id"], "remeasure", 1, temperature_c=37.4).status_code == 200


def test_frames_that_come_together_open_a_case_for_every_ten_seconds(register, install, send, sql):
    install(register())
    began = ago(seconds=60)
    frames = [reading(37.5 + n / 100, at=began + timedelta(seconds=n)) for n in range(25)]
    opened = send(frames[::-1]).json()["cases"]
    assert [each["reading_id"] for each in opened] == [frames[n]["reading_id"] for n in (0, 10, 20)]
    told_c = [case.temperature_c for _, case in told(sql, "MeasurementCaseOpened")]
    assert told_c == pytest.approx([37.59, 37.69, 37.74], abs=0.01)


def test_every_hot_reading_of_a_hand_thermometer_is_somebody_else(client, register, install, send, gate):
    place = register()
    assert install(place, kind="hand_thermometer", accuracy_c=0.2).status_code == 201
    first, second, third = (reading(38.0, at=ago(seconds=each)) for each in (20, 13, 6))
    opened = send(first).json()["cases"] + send([third, second]).json()["cases"]
    assert [each["reading_id"] for each in opened] == [each["reading_id"] for each in (first, second, third)]
    assert send([first, second, third]).json() == {"recorded": 0, "cases": []}
    listed = client.get(f"/v1/measurement-cases?checkpoint={place}", headers=gate(place)).json()["cases"]
    assert {each["case_id"] for each in listed} == {each["case_id"] for each in opened}


def test_a_hot_reading_joins_no_case_that_was_measured_again_nor_one_of_another_device_or_place(
    client, register, install, send, take, issuer
):
    place, other = register(), register()
    install(place)
    install(place, "T-2")
    first = send(reading(37.5)).json()["cases"][0]["case_id"]
    assert len(send(reading(37.5), "T-2").json()["cases"]) == 1
    assert take(place, first, "remeasure", 1, temperature_c=37.4).status_code == 200
    assert len(send(reading(37.5)).json()["cases"]) == 1
    assert send(reading(37.5)).json()["cases"] == []
    body = {"checkpoint_id": str(other), "accuracy_c": 0.5, "expected_revision": 1}
    assert client.put("/v1/devices/T-1", json=body, headers=issuer.headers("operator")).status_code == 200
    assert len(send(reading(37.5)).json()["cases"]) == 1


def test_frames_that_arrive_at_the_same_time_open_one_case(settings, register, install, send, sql):
    install(register())
    at = ago(seconds=5)
    frames = [reading(37.5 + n / 10, at=at + timedelta(milliseconds=n)) for n in range(2)]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(2) as camera:
        with psycopg.connect(settings.database_url) as connection:
            connection.execute("LOCK TABLE measurement_case IN SHARE MODE")
            answers = camera.map(send, frames)
            wait_for(lambda: sql(waiting) == [(2,)])
        assert [answer.status_code for answer in answers] == [200, 200]
    assert sql("SELECT count(*), max(temperature_c) FROM measurement_case") == [(1, pytest.approx(37.6, abs=0.01))]


def test_who_is_cool_the_second_time_goes_on_and_who_shows_a_pass_is_known(
    register, install, send, take, gate, codes, person, sql
):
    place = register()
    install(place)
    taken_at = (ago(seconds=20), ago(seconds=5))
    first, second = (send(reading(37.5, at=at)).json()["cases"][0]["case_id"] for at in taken_at)
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
    assert take(place, uuid4(), "leave", 1).json()["code"] == "checkpoint_refused"
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


def test_a_device_at_a_merged_post_alarms_where_its_readings_go(
    register, install, send, order, worker, measuring, sql, client, issuer
):
    first, second, third = register(area="440103001"), register(area="440104003"), register(area="440104003")
    install(first, interval_s=60)
    order(first, "merge", into=str(second))
    order(second, "merge", into=str(third))

    def watch(minutes):
        with worker.database.transaction() as tx:
            measuring.watch_silence(tx, datetime.now(UTC) + minutes * MINUTE)

    for minutes in (0, 2, 3):
        watch(minutes)
    ((_, silent),) = told(sql, "DeviceSilent")
    assert (silent.device_id, silent.area, silent.checkpoint_id) == ("T-1", "440104003", str(third))
    assert send(reading()).status_code == 200
    watch(0)
    ((_, well),) = told(sql, "DeviceRecovered")
    assert (well.area, well.checkpoint_id) == ("440104003", str(third))
    order(third, "close")
    watch(90)
    assert len(told(sql, "DeviceSilent")) == 1
    yuexiu, liwan = (issuer.headers("operator", area=area) for area in ("440104", "440103"))
    assert client.get("/v1/devices/T-1", headers=yuexiu).status_code == 200
    body = {"checkpoint_id": str(third), "accuracy_c": 0.5, "expected_revision": 3}
    assert client.put("/v1/devices/T-1", json=body, headers=liwan).status_code == 403
    assert client.put("/v1/devices/T-1", json=body, headers=yuexiu).status_code == 200
    at_the_merged = {"device_id": "T-2", "kind": "door_sensor", "checkpoint_id": str(first)}
    assert client.post("/v1/devices", json=at_the_merged, headers=liwan).status_code == 403
    assert client.post("/v1/devices", json=at_the_merged, headers=yuexiu).status_code == 201


def test_nobody_waits_for_a_device_of_a_merged_post_before_its_successor_is_open(
    register, install, order, worker, measuring, sql
):
    first, second = register(), register()
    install(first, interval_s=60)
    order(first, "merge", into=str(second))
    order(second, "close")
    order(second, "open", 2, at=(datetime.now(UTC) + 10 * MINUTE).isoformat())
    for minutes, expected in ((5, 0), (10.5, 0), (11.5, 1)):
        with worker.database.transaction() as tx:
            measuring.watch_silence(tx, datetime.now(UTC) + minutes * MINUTE)
        assert len(told(sql, "DeviceSilent")) == expected


def test_a_device_that_drifts_at_a_merged_post_alarms_where_its_readings_go(
    register, install, send, order, worker, measuring, sql
):
    first, second = register(area="440103001"), register(area="440104003")
    install(first)
    before, of_late = ago(hours=5), ago(minutes=50)
    assert send([reading(36.4, at=before + n * MINUTE) for n in range(20)]).status_code == 200
    assert send([reading(37.0, at=of_late + n * MINUTE) for n in range(20)]).status_code == 200
    order(first, "merge", into=str(second))
    with worker.database.transaction() as tx:
        measuring.watch_drift(tx, datetime.now(UTC))
    ((_, drifted),) = told(sql, "DeviceDrifted")
    assert (drifted.area, drifted.checkpoint_id) == ("440104003", str(second))


def test_the_cases_of_a_merged_post_are_finished_by_its_guards(
    client, register, install, send, take, gate, order, worker, measuring, sql
):
    first, second = register(area="440103001"), register(area="440104003")
    install(first)
    (before,) = send(reading(37.5, at=ago(seconds=30))).json()["cases"]
    order(first, "merge", into=str(second))
    (after,) = send(reading(37.5)).json()["cases"]
    unfinished = client.get(f"/v1/measurement-cases?checkpoint={first}", headers=gate(first)).json()["cases"]
    assert [each["case_id"] for each in unfinished] == [before["case_id"], after["case_id"]]
    assert [each["checkpoint_id"] for each in unfinished] == [str(first), str(second)]
    with worker.database.transaction() as tx:
        assert measuring.tell_overdue(tx, datetime.now(UTC) + 16 * MINUTE) == 2
    assert {overdue.area for _, overdue in told(sql, "MeasurementCaseOverdue")} == {"440104003"}
    for case in unfinished:
        assert take(first, case["case_id"], "remeasure", 1, temperature_c=36.8).json()["stage"] == "cleared"
    assert take(uuid4(), after["case_id"], "leave", 2).json()["code"] == "checkpoint_refused"


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
