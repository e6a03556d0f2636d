"""No refusal of the ledger changes with a fact that the bearer may not read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.ids import uuid7
from tests.hidden_facts import Probe, bearers, endpoints, same_refusal
from tests.integration.ledger.conftest import COMMUNITY, DISTRICT, OTHER_DISTRICT, Ledger
from tests.integration.ledger.test_tasks import arrival

PROBES = [
    Probe("POST", "/v1/entries/{entry}/moves", lambda _: {"move": "place", "expected_version": 1}),
    Probe("GET", "/v1/entries/{entry}"),
    Probe("GET", "/v1/entries", query=lambda names: {"cursor": str(names["entry"])}),
    Probe("GET", "/v1/entries", query=lambda _: {"area": DISTRICT}),
    Probe("GET", "/v1/people/{person}/file"),
    Probe("POST", "/v1/people/{person}/corrections", lambda _: {"name": "张三", "reason": "misheard"}),
    Probe("GET", "/v1/alarms", query=lambda names: {"cursor": str(names["alarm"])}),
    Probe("GET", "/v1/tasks", query=lambda names: {"cursor": str(names["task"])}),
    Probe("POST", "/v1/tasks/{task}/completion", lambda _: {"outcome": "received", "expected_version": 1}),
    Probe("POST", "/v1/tasks/{task}/completion", lambda _: {"outcome": "received", "expected_version": 7}),
    Probe("GET", "/v1/journal/proof", query=lambda names: {"entry": str(names["entry"])}),
]
OF_NO_PERSON = {
    ("GET", "/v1/ledgers"),
    ("GET", "/v1/journal/checkpoint"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}
TOLD_ON_PURPOSE = {("POST", "/v1/entries")}
"""Whoever may report by the place of the event learns that somebody is responsible, and no more: tested below."""


RECENTLY = datetime.now(UTC).isoformat()


def pattern(endpoint: tuple[str, str]) -> tuple[str, str]:
    names = {"{entry_id}": "{entry}", "{person_ref}": "{person}", "{task_id}": "{task}"}
    method, path = endpoint
    for given, ours in names.items():
        path = path.replace(given, ours)
    return method, path


def test_no_refusal_changes_with_what_is_hidden(ledger: Ledger, person: UUID) -> None:
    opened = ledger.open("close_contact", person, area=COMMUNITY)
    ledger.take(arrival(person, has_fever=True, gate_area=DISTRICT))
    (task,) = ledger.get("/v1/tasks").json()["tasks"]
    (alarm,) = ledger.get("/v1/alarms").json()["alarms"]
    hidden = {"entry": opened["entry_id"], "person": person, "task": task["task_id"], "alarm": alarm["alarm_id"]}
    asked = {probe.endpoint for probe in PROBES} | OF_NO_PERSON | TOLD_ON_PURPOSE
    assert {pattern(each) for each in endpoints(ledger.client)} <= asked
    refused = set()
    for role, area in bearers(("440103001", "")):
        headers = ledger.issuer.bearer(role, area=area, person_ref=str(uuid4()))
        for probe in PROBES:
            nothing = {"entry": uuid7(), "person": uuid4(), "task": uuid7(), "alarm": uuid7()}
            refused.add(same_refusal(ledger.client, probe, headers, hidden, nothing))
    assert refused == {200, 403}
    assert ledger.get(f"/v1/entries/{opened['entry_id']}").json()["version"] == 1


def test_a_bearer_of_the_whole_city_is_told_what_is_not_there(ledger: Ledger) -> None:
    for answer, code in (
        (ledger.get(f"/v1/entries/{uuid7()}"), "entry_not_found"),
        (ledger.get(f"/v1/people/{uuid4()}/file"), "person_not_found"),
        (ledger.get("/v1/journal/proof", entry=str(uuid7())), "entry_not_found"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, code)


@pytest.mark.parametrize("ledger_of_other", ["close_contact", "confirmed"])
def test_who_reports_by_the_place_of_the_event_learns_only_that_it_is_open(
    ledger: Ledger, person: UUID, ledger_of_other: str
) -> None:
    held = ledger.open("close_contact", person, area=COMMUNITY)
    if ledger_of_other == "confirmed":
        held = ledger.open("confirmed", uuid4(), area=COMMUNITY, confirmed_at=RECENTLY)
        person = UUID(ledger.rows("SELECT person_ref::text FROM entry WHERE entry_id = %s", held["entry_id"])[0][0])
    body = {"ledger": ledger_of_other, "person": {"person_ref": str(person)}, "area": "440103001", "facts": {}}
    if ledger_of_other == "confirmed":
        body["facts"] = {"confirmed_at": RECENTLY}
    before = ledger.rows("SELECT count(*) FROM entry")
    elsewhere = ledger.post("/v1/entries", body, role="authority", bound_to=OTHER_DISTRICT)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "already_open")
    told = elsewhere.text
    for secret in (held["entry_id"], held["owner"], DISTRICT, held["stage"]):
        assert secret not in told
    here = ledger.post("/v1/entries", body | {"area": COMMUNITY}, role="authority", bound_to=DISTRICT)
    assert (here.status_code, here.json()["code"]) == (409, "entry_already_open")
    assert held["entry_id"] in here.text
    assert ledger.rows("SELECT count(*) FROM entry") == before
    logged = ledger.rows(
        "SELECT subject, roles, area, what, is_refused FROM access_log WHERE person_ref = %s AND what = 'opening' "
        "ORDER BY access_id",
        person,
    )
    assert logged == [
        ("authority-1", "authority", OTHER_DISTRICT, "opening", True),
        ("authority-1", "authority", DISTRICT, "opening", True),
    ]


def test_a_look_that_is_refused_is_logged_with_who_and_from_where(ledger: Ledger, person: UUID) -> None:
    ledger.open("close_contact", person, area=COMMUNITY)
    refused = ledger.get(f"/v1/people/{person}/file", role="community", bound_to=OTHER_DISTRICT)
    assert refused.status_code == 403
    assert DISTRICT not in refused.text
    logged: list[tuple[Any, ...]] = ledger.rows(
        "SELECT subject, roles, area, what, route, is_refused FROM access_log WHERE person_ref = %s", person
    )
    assert logged == [("community-1", "community", OTHER_DISTRICT, "file", "/v1/people/{person_ref}/file", True)]


def test_a_look_up_by_document_is_logged(ledger: Ledger) -> None:
    body = {
        "ledger": "close_contact",
        "person": {"document": {"type": "passport", "country": "CHN", "number": "E12345678"}},
        "area": COMMUNITY,
        "facts": {},
    }
    assert ledger.post("/v1/entries", body, bound_to=DISTRICT).status_code == 201
    assert ledger.post("/v1/entries", body, bound_to=DISTRICT).status_code == 409
    assert ledger.rows("SELECT what, is_refused FROM access_log ORDER BY access_id") == [
        ("opening", False),
        ("opening", True),
    ]


LOGGED = "SELECT subject, what, person_ref, is_refused FROM access_log WHERE what = %s ORDER BY access_id"


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"move": "nonsense", "expected_version": 1}, 409),
        ({"move": "place", "expected_version": 99}, 412),
        ({"move": "recover", "expected_version": 1}, 409),
        ({"move": "place", "expected_version": 1, "facts": {"unknown": "x"}}, 422),
    ],
)
def test_a_move_that_is_refused_is_logged_since_it_tells_where_the_entry_stands(
    ledger: Ledger, person: UUID, order: dict[str, Any], status: int
) -> None:
    opened = ledger.open("close_contact", person, area=COMMUNITY)
    refused = ledger.post(f"/v1/entries/{opened['entry_id']}/moves", order)
    assert refused.status_code == status, refused.text
    assert ledger.rows(LOGGED, "move") == [("operator-1", "move", person, False)]
    assert ledger.get(f"/v1/entries/{opened['entry_id']}").json()["version"] == 1


@pytest.mark.parametrize("version", [1, 99])
def test_a_completion_that_is_refused_is_logged(ledger: Ledger, person: UUID, version: int) -> None:
    ledger.take(arrival(person, gate_area=DISTRICT))
    (task,) = ledger.get("/v1/tasks").json()["tasks"]
    order = {"outcome": "gone_elsewhere", "expected_version": version}
    refused = ledger.post(f"/v1/tasks/{task['task_id']}/completion", order)
    assert refused.status_code == (422 if version == 1 else 412)
    assert ledger.rows(LOGGED, "task") == [("operator-1", "task", person, False)]


def opening(number: str, entry_id: str, area: str, **facts: Any) -> dict[str, Any]:
    document = {"type": "passport", "country": "CHN", "number": number}
    return {
        "ledger": "close_contact",
        "person": {"document": document},
        "area": area,
        "facts": facts,
        "entry_id": entry_id,
    }


def test_an_entry_id_that_is_taken_tells_nobody_elsewhere_whose_entry_it_is(ledger: Ledger) -> None:
    entry_id = str(uuid7())
    assert ledger.post("/v1/entries", opening("E12345678", entry_id, COMMUNITY)).status_code == 201
    before = len(ledger.rows("SELECT 1 FROM access_log"))
    refusals = [
        ledger.post("/v1/entries", opening(number, entry_id, "440103001"), bound_to=OTHER_DISTRICT)
        for number in ("E12345678", "E87654321")
    ]
    assert {(each.status_code, each.json()["code"]) for each in refusals} == {(409, "entry_id_taken")}
    assert refusals[0].text == refusals[1].text
    assert DISTRICT not in refusals[0].text
    logged = ledger.rows(LOGGED, "opening")[before:]
    assert [(what, is_refused) for _, what, _, is_refused in logged] == [("opening", True)] * 2
    assert len({person_ref for _, _, person_ref, _ in logged}) == 2, "each document that was tried"


def test_whoever_tries_documents_at_an_entry_in_reach_is_logged_each_time(ledger: Ledger) -> None:
    entry_id = str(uuid7())
    ledger.post("/v1/entries", opening("E12345678", entry_id, COMMUNITY))
    for number, status in (("E87654321", 409), ("E12345678", 200)):
        assert ledger.post("/v1/entries", opening(number, entry_id, COMMUNITY)).status_code == status
    assert [is_refused for *_, is_refused in ledger.rows(LOGGED, "opening")] == [False, True, False]


def test_whoever_tries_references_at_an_entry_in_reach_is_logged_each_time(ledger: Ledger, person: UUID) -> None:
    order = opening("", str(uuid7()), COMMUNITY) | {"person": {"person_ref": str(person)}}
    other = order | {"person": {"person_ref": str(uuid4())}}
    statuses = [ledger.post("/v1/entries", each).status_code for each in (order, other, order)]
    assert statuses == [201, 409, 200]
    assert [is_refused for *_, is_refused in ledger.rows(LOGGED, "opening")] == [True, False]
