"""The guard is not left alone: who comes without a code is expected where they go, posts change at one moment."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from chassis.ids import uuid7
from tests.e2e.outsider import COMMUNITY, DISTRICT, Outsider, eventually, new_document, now, written
from tests.running import Product

OTHER_COMMUNITY = "440104001007"

pytestmark = pytest.mark.parametrize("product", ["local"], indirect=True, scope="package")


@pytest.fixture(scope="module")
def outside(product: Product) -> Outsider:
    return Outsider(product)


def test_who_comes_without_a_code_is_expected_by_the_community(outside: Outsider) -> None:
    post = outside.checkpoint("road")
    at = now()
    form = {
        "registration_id": str(uuid7(at)), "checkpoint_id": post, "document": new_document(), "phone": "13800138000",
        "from_area": "420100", "to_area": COMMUNITY, "temperature_c": 37.6, "registered_at": written(at),
    }  # fmt: skip
    answer = outside.post("checkpoints", "/v1/registrations", outside.gate(post), form)
    assert (answer.json()["decision"], answer.json()["outcome"]) == ("stop", "fever")
    community = outside.token("community", area=COMMUNITY)

    def task() -> dict[str, object] | None:
        tasks = outside.get("ledger", "/v1/tasks", community).json()["tasks"]
        return next((each for each in tasks if each["cause_id"] == form["registration_id"]), None)

    opened = eventually(task)
    assert opened["owner"] == COMMUNITY
    path = f"/v1/registrations/{form['registration_id']}"
    assert outside.get("checkpoints", path, community).json()["phone"] == form["phone"]
    done = {"outcome": "received", "expected_version": opened["version"]}
    completed = outside.post("ledger", f"/v1/tasks/{opened['task_id']}/completion", community, done)
    assert completed.json()["stage"] == "completed"
    assert [alarm["kind"] for alarm in outside.alarms_of(str(opened["person_ref"]))] == ["fever"]


def test_who_has_gone_elsewhere_with_a_fever_is_expected_there(outside: Outsider) -> None:
    post, at = outside.checkpoint("road"), now()
    form = {
        "registration_id": str(uuid7(at)), "checkpoint_id": post, "document": new_document(), "phone": "13800138000",
        "from_area": "420100", "to_area": COMMUNITY, "temperature_c": 38.5, "registered_at": written(at),
    }  # fmt: skip
    assert outside.post("checkpoints", "/v1/registrations", outside.gate(post), form).status_code == 200
    community, there = outside.token("community", area=COMMUNITY), outside.token("community", area=OTHER_COMMUNITY)

    def task_of(token: str) -> dict[str, object] | None:
        tasks = outside.get("ledger", "/v1/tasks", token).json()["tasks"]
        return next((each for each in tasks if each["facts"].get("registration_id", each["cause_id"]) == wanted), None)

    wanted = form["registration_id"]
    opened = eventually(lambda: task_of(community))
    path, done = f"/v1/tasks/{opened['task_id']}/completion", {"outcome": "gone_elsewhere", "expected_version": 1}
    assert outside.post("ledger", path, community, done).status_code == 422, "where to is asked"
    assert task_of(there) is None
    assert outside.get("checkpoints", f"/v1/registrations/{wanted}", there).status_code == 403
    assert outside.post("ledger", path, community, done | {"to_area": OTHER_COMMUNITY}).status_code == 200
    following = task_of(there)
    assert following is not None
    assert following["facts"]["has_fever"] is True  # type: ignore[index]
    registration = eventually(
        lambda: (
            (answer := outside.get("checkpoints", f"/v1/registrations/{wanted}", there)).status_code == 200
            and answer.json()
        )
    )
    assert registration["phone"] == form["phone"], "and they know whom to call"
    lost = f"/v1/tasks/{following['task_id']}/completion"
    assert outside.post("ledger", lost, there, done | {"to_area": "unknown"}).status_code == 200
    kinds = [alarm["kind"] for alarm in outside.alarms_of(str(opened["person_ref"]))]
    assert sorted(kinds) == ["fever", "fever", "person_not_found"]


def test_posts_change_at_one_moment_and_a_hot_reading_and_a_full_hall_are_told(outside: Outsider) -> None:
    operator, venue = outside.token("operator"), f"示例展馆 {uuid.uuid4()}"
    place = {"kind": "mall", "name": "东门", "venue": venue, "area": DISTRICT}
    halls = [outside.post("checkpoints", "/v1/checkpoints", operator, place).json()["checkpoint_id"] for _ in range(3)]
    assert outside.call("checkpoints", "PUT", f"/v1/venues/{venue}", operator, json={"capacity": 1}).status_code == 200
    person = outside.healthy()
    eventually(lambda: outside.scan_person(halls[0], person, direction="in")["decision"] == "pass")

    def fullness() -> bool:
        return bool(outside.get("checkpoints", f"/v1/venues/{venue}/occupancy", operator).json()["full"])

    eventually(fullness)
    device = {"device_id": f"T-{uuid.uuid4()}", "kind": "thermal_camera", "checkpoint_id": halls[0], "accuracy_c": 0.5}
    assert outside.post("checkpoints", "/v1/devices", operator, device).status_code == 201
    reading = {"reading_id": str(uuid7()), "temperature_c": 38.1, "measured_at": written(now())}
    thermometer = outside.token("device", subject=device["device_id"])
    (case,) = outside.post("checkpoints", "/v1/readings", thermometer, reading).json()["cases"]
    again = {"step": "remeasure", "temperature_c": 36.5, "expected_version": 1}
    path = f"/v1/measurement-cases/{case['case_id']}/steps"
    assert outside.post("checkpoints", path, outside.gate(halls[0]), again).json()["stage"] == "cleared"
    at = now() + timedelta(seconds=2)
    order = {"change": "close", "expected_revision": 1, "reason": "night", "at": written(at)}
    changes = {"changes": [order | {"checkpoint_id": hall} for hall in halls]}
    assert outside.post("checkpoints", "/v1/checkpoints/changes", operator, changes).status_code == 201
    assert outside.scan_person(halls[1], person)["refusal"] is None
    eventually(lambda: now() >= at)
    assert [outside.scan_person(hall, person)["refusal"] for hall in halls] == ["checkpoint_revoked"] * 3


def test_who_goes_out_without_having_come_in_takes_nobody_along(outside: Outsider) -> None:
    operator, venue = outside.token("operator"), f"示例影院 {uuid.uuid4()}"
    place = {"kind": "mall", "name": "东门", "venue": venue, "area": DISTRICT}
    door = outside.post("checkpoints", "/v1/checkpoints", operator, place).json()["checkpoint_id"]
    assert outside.call("checkpoints", "PUT", f"/v1/venues/{venue}", operator, json={"capacity": 2}).status_code == 200
    people = [outside.healthy() for _ in range(6)]
    for person in people[:3]:
        outside.scan_person(door, person, direction="out")
    for person in people[3:]:
        eventually(lambda person=person: outside.scan_person(door, person, direction="in")["decision"] == "pass")

    def inside() -> tuple[int, bool]:
        counted = outside.get("checkpoints", f"/v1/venues/{venue}/occupancy", operator).json()
        return counted["inside"], counted["full"]

    eventually(lambda: inside() == (3, True))
