"""Whoever a checkpoint announces is received: a task for the community, done or escalated, never forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chassis.ids import uuid7
from services.ledger.deadlines import deadline_check
from services.ledger.messages import TOPICS
from tests.integration.ledger.conftest import CITY, COMMUNITY, DISTRICT, OTHER_DISTRICT, STREET, kinds, message
from wire.checkpoints.v1 import events_pb2 as checkpoints

GATE_AREA = OTHER_STREET = "440103001"


def arrival(person, *, to_area=COMMUNITY, has_fever=False, hours_ago=0.0, gate_area=GATE_AREA):
    registration_id = uuid7()
    told = checkpoints.ArrivalRegistered(
        registration_id=str(registration_id),
        person_ref=str(person),
        from_area="420100",
        to_area=to_area,
        checkpoint_id=str(uuid4()),
        kind="road",
        area=gate_area,
        has_fever=has_fever,
    )
    told.registered_at.FromDatetime(datetime.now(UTC) - timedelta(hours=hours_ago))
    return message(told, key=str(person), subject=f"registration/{registration_id}")


@pytest.fixture
def open_task(ledger, person):
    ledger.take(arrival(person))
    return ledger.get("/v1/tasks", role="community", bound_to=COMMUNITY).json()["tasks"][0]


def test_an_arrival_opens_one_task_for_the_community_it_goes_to(ledger, person):
    announced = arrival(person, to_area=COMMUNITY + "001")
    ledger.take(announced)
    ledger.take(announced)
    (task,) = ledger.get("/v1/tasks", role="community", bound_to=COMMUNITY).json()["tasks"]
    assert (task["kind"], task["stage"], task["owner"]) == ("receive_arrival", "open", COMMUNITY)
    assert (task["person_ref"], task["area"]) == (str(person), COMMUNITY + "001")
    assert task["facts"]["from_area"] == "420100"
    ((headers, told),) = ledger.told("TaskOpened")
    assert (told.owner, told.kind, headers["ce_revision"]) == (COMMUNITY, "receive_arrival", "1")
    assert headers["ce_subject"] == f"task/{task['task_id']}"
    assert "task" in TOPICS
    assert ledger.told("AlarmRaised") == []


def test_a_fever_on_the_way_is_due_sooner_and_alarms(ledger, person):
    ledger.take(arrival(person, has_fever=True))
    (task,) = ledger.get("/v1/tasks").json()["tasks"]
    hours = datetime.fromisoformat(task["due_at"]) - datetime.fromisoformat(task["facts"]["registered_at"])
    assert hours == timedelta(hours=2)
    ((_, alarm),) = ledger.told("AlarmRaised")
    assert (alarm.kind, alarm.owner, alarm.person_ref) == ("fever", OTHER_DISTRICT, str(person))


def test_a_place_outside_the_tree_goes_to_the_nearest_owner_above(ledger, person):
    ledger.take(arrival(person, to_area=STREET + "999"))
    (task,) = ledger.get("/v1/tasks").json()["tasks"]
    assert (task["area"], task["owner"]) == (STREET, STREET)


def test_a_task_is_completed_once_and_the_same_again_is_answered_the_same(ledger, open_task, person):
    path, body = f"/v1/tasks/{open_task['task_id']}/completion", {"outcome": "received", "expected_version": 1}
    first = ledger.post(path, body, role="community", bound_to=COMMUNITY)
    assert first.status_code == 200, first.text
    assert (first.json()["stage"], first.json()["version"]) == ("completed", 2)
    assert ledger.post(path, body, role="community", bound_to=COMMUNITY).json() == first.json()
    stale = ledger.post(path, body | {"outcome": "not_found"})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    again = ledger.post(path, {"outcome": "not_found", "expected_version": 2})
    assert (again.status_code, again.json()["code"]) == (409, "task_completed_already")
    assert [told.outcome for _, told in ledger.told("TaskCompleted")] == ["received"]
    assert ledger.get("/v1/tasks").json()["tasks"] == []
    (done,) = ledger.get("/v1/tasks", completed=True).json()["tasks"]
    assert done["outcome"] == "received"
    file = ledger.get(f"/v1/people/{person}/file").json()
    assert kinds(file["timeline"]) == ["task_opened", "task_completed"]


def test_who_was_not_found_is_an_alarm_for_the_area_above(ledger, open_task):
    path = f"/v1/tasks/{open_task['task_id']}/completion"
    assert ledger.post(path, {"outcome": "not_found", "expected_version": 1}).status_code == 200
    ((_, alarm),) = ledger.told("AlarmRaised")
    assert (alarm.kind, alarm.owner, alarm.about) == ("person_not_found", STREET, f"task/{open_task['task_id']}")


def test_a_late_task_is_escalated_once(ledger, person):
    ledger.take(arrival(person, hours_ago=25))
    check = deadline_check(ledger.parts.database, ledger.parts.city, ledger.parts.open_book, ledger.parts.clock)
    assert (check(), check()) == (1, 0)
    ((_, alarm),) = ledger.told("AlarmRaised")
    assert (alarm.kind, alarm.owner, alarm.person_ref) == ("deadline_passed", STREET, str(person))
    overdue = ledger.get("/v1/tasks", overdue=True, area=DISTRICT).json()["tasks"]
    assert [task["person_ref"] for task in overdue] == [str(person)]
    (shown,) = ledger.get("/v1/alarms").json()["alarms"]
    assert shown["about"] == f"task/{overdue[0]['task_id']}"


def test_tasks_page_by_page_within_the_bearers_subtree_and_logged(ledger):
    people = [uuid4() for _ in range(5)]
    for person in people:
        ledger.take(arrival(person))
    seen, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = ledger.get("/v1/tasks", limit=2, **more).json()
        seen += [task["person_ref"] for task in page["tasks"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(map(str, people))
    assert ledger.get("/v1/tasks", bound_to=OTHER_DISTRICT).json()["tasks"] == []
    assert ledger.get("/v1/tasks", owner=STREET).json()["tasks"] == []
    assert ledger.rows("SELECT count(DISTINCT person_ref) FROM access_log WHERE what = 'tasks'") == [(5,)]


def test_bad_completions_are_refused_and_change_nothing(ledger, open_task):
    path, body = f"/v1/tasks/{open_task['task_id']}/completion", {"outcome": "received", "expected_version": 1}
    for field, change in (
        ("outcome", {"outcome": "lost"}),
        ("expected_version", {"expected_version": "1"}),
        ("note", {"note": "x"}),
    ):
        answer = ledger.post(path, body | change)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert ledger.post(path, body, bound_to=OTHER_DISTRICT).json()["code"] == "area_refused"
    assert ledger.post(path, body, role="gate").status_code == 403
    assert ledger.post(f"/v1/tasks/{uuid4()}/completion", body).json()["code"] == "task_not_found"
    for query in ({"area": "7"}, {"cursor": "x"}, {"limit": 0}, {"colour": "red"}):
        assert ledger.get("/v1/tasks", **query).status_code == 422
    assert ledger.get("/v1/tasks", role="gate", bound_to=CITY).status_code == 403
    assert ledger.told("TaskCompleted") == []


def gone(ledger, task, to_area, **more):
    body = {"outcome": "gone_elsewhere", "expected_version": 1, "to_area": to_area} | more
    return ledger.post(f"/v1/tasks/{task['task_id']}/completion", body, role="community", bound_to=COMMUNITY)


def test_who_has_gone_elsewhere_has_gone_somewhere_and_the_community_there_gets_the_task(ledger, person):
    ledger.take(arrival(person, has_fever=True, hours_ago=1))
    (task,) = ledger.get("/v1/tasks").json()["tasks"]
    asked = gone(ledger, task, None)
    assert (asked.status_code, asked.json()["errors"][0]["field"]) == (422, "to_area")
    assert ledger.told("TaskCompleted") == []
    answer = gone(ledger, task, OTHER_STREET)
    assert answer.status_code == 200, answer.text
    assert gone(ledger, task, OTHER_STREET).json() == answer.json(), "the same again"
    assert gone(ledger, task, "unknown").status_code == 412
    (following,) = ledger.get("/v1/tasks", role="community", bound_to=OTHER_STREET).json()["tasks"]
    assert following["task_id"] == answer.json()["followed_by"]
    assert (following["owner"], following["area"], following["person_ref"]) == (OTHER_STREET, OTHER_STREET, str(person))
    assert following["cause_id"] == task["task_id"]
    facts = following["facts"]
    assert facts["has_fever"] is True
    assert (facts["from_area"], facts["registration_id"]) == (COMMUNITY, task["cause_id"])
    hours = datetime.fromisoformat(following["due_at"]) - datetime.fromisoformat(following["opened_at"])
    assert hours == timedelta(hours=2), "a fever stays with the person"
    first, second = ledger.told("TaskOpened")
    assert (second[1].caused_by, second[1].registration_id) == (task["task_id"], first[1].caused_by)
    ((_, ended),) = ledger.told("TaskCompleted")
    assert (ended.to_area, ended.followed_by) == (OTHER_STREET, following["task_id"])
    onwards = ledger.post(
        f"/v1/tasks/{following['task_id']}/completion",
        {"outcome": "gone_elsewhere", "expected_version": 1, "to_area": COMMUNITY},
    )
    assert onwards.status_code == 200, "and on to a third place, or back"
    (back,) = ledger.get("/v1/tasks", role="community", bound_to=COMMUNITY).json()["tasks"]
    assert back["facts"]["registration_id"] == task["cause_id"]


@pytest.mark.parametrize(
    ("ending", "alarms"),
    [
        ({"outcome": "gone_elsewhere", "to_area": "outside"}, [("person_left_city", CITY), ("fever", CITY)]),
        ({"outcome": "gone_elsewhere", "to_area": "420100"}, [("person_left_city", CITY), ("fever", CITY)]),
        ({"outcome": "gone_elsewhere", "to_area": "unknown"}, [("person_not_found", STREET), ("fever", STREET)]),
        ({"outcome": "not_found"}, [("person_not_found", STREET), ("fever", STREET)]),
        ({"outcome": "received"}, []),
        ({"outcome": "gone_elsewhere", "to_area": "440103001"}, []),
    ],
)
@pytest.mark.parametrize("has_fever", [True, False])
def test_no_task_ends_with_nobody_told(ledger, person, ending, alarms, has_fever):
    ledger.take(arrival(person, has_fever=has_fever))
    (task,) = ledger.get("/v1/tasks").json()["tasks"]
    before = len(ledger.told("AlarmRaised"))
    answer = ledger.post(f"/v1/tasks/{task['task_id']}/completion", ending | {"expected_version": 1})
    assert answer.status_code == 200, answer.text
    told = [(alarm.kind, alarm.owner) for _, alarm in ledger.told("AlarmRaised")[before:]]
    assert told == [each for each in alarms if has_fever or each[0] != "fever"]
    assert {alarm.about for _, alarm in ledger.told("AlarmRaised")[before:]} <= {f"task/{task['task_id']}"}
    somebody_is_told = bool(told) or bool(ledger.get("/v1/tasks").json()["tasks"])
    assert somebody_is_told or ending["outcome"] == "received"


@pytest.mark.parametrize(
    "ending",
    [
        {"outcome": "gone_elsewhere", "to_area": "440199"},
        {"outcome": "gone_elsewhere", "to_area": "990000"},
        {"outcome": "gone_elsewhere", "to_area": "home"},
        {"outcome": "gone_elsewhere", "to_area": COMMUNITY},
        {"outcome": "gone_elsewhere", "to_area": COMMUNITY + "01"},
        {"outcome": "gone_elsewhere", "to_area": ""},
        {"outcome": "received", "to_area": OTHER_STREET},
        {"outcome": "not_found", "to_area": "unknown"},
    ],
)
def test_a_place_that_is_none_is_refused_and_the_task_stays_open(ledger, open_task, ending):
    answer = ledger.post(f"/v1/tasks/{open_task['task_id']}/completion", ending | {"expected_version": 1})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "to_area")
    assert [task["version"] for task in ledger.get("/v1/tasks").json()["tasks"]] == [1]


def test_trouble_at_a_post_is_an_alarm_for_its_district_and_names_nobody(ledger):
    place = {"checkpoint_id": str(uuid4()), "area": GATE_AREA}
    case_id = str(uuid4())
    for told, subject in (
        (checkpoints.DeviceSilent(device_id="T-1", **place), "device/T-1"),
        (checkpoints.DeviceDrifted(device_id="T-2", **place), "device/T-2"),
        (checkpoints.MeasurementCaseOverdue(case_id=case_id, **place), f"overdue/{case_id}"),
    ):
        for _ in range(2):
            ledger.take(message(told, key=subject, subject=subject))
    alarms = [alarm for _, alarm in ledger.told("AlarmRaised")]
    assert [(alarm.kind, alarm.about, alarm.owner, alarm.person_ref) for alarm in alarms] == [
        ("device_silent", "device/T-1", OTHER_DISTRICT, ""),
        ("device_drifted", "device/T-2", OTHER_DISTRICT, ""),
        ("measurement_overdue", f"measurement/{case_id}", OTHER_DISTRICT, ""),
    ]
