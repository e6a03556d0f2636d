"""The loop and its two arrows back, told by HTTP alone: a case colours its contacts, and a stop ends with somebody."""

from __future__ import annotations

import pytest

from tests.e2e.outsider import COMMUNITY, Json, Outsider, eventually
from tests.running import Product

pytestmark = pytest.mark.parametrize("product", ["local"], indirect=True, scope="package")


@pytest.fixture(scope="module")
def outside(product: Product) -> Outsider:
    return Outsider(product)


def met_at(outside: Outsider, checkpoint_id: str, *people: str) -> None:
    for person_ref in people:
        eventually(lambda person_ref=person_ref: outside.scan_person(checkpoint_id, person_ref)["decision"] == "pass")


def test_a_confirmed_case_stops_its_contacts_until_their_entries_close(outside: Outsider) -> None:
    mall, metro = outside.checkpoint("mall"), outside.checkpoint("metro")
    case, close, general, stranger = (outside.healthy() for _ in range(4))
    met_at(outside, mall, case, close)
    met_at(outside, metro, case, general)
    met_at(outside, outside.checkpoint("mall"), stranger)
    outside.confirm(case)
    eventually(lambda: outside.code_of(case)["colour"] == "red")
    eventually(lambda: outside.code_of(close)["colour"] == "red")
    eventually(lambda: outside.code_of(general)["colour"] == "yellow")
    assert outside.code_of(stranger)["colour"] == "green"
    stopped = eventually(lambda: _stopped(outside, metro, close))
    assert stopped["colour"] == "red"

    [entry] = outside.entries_of(close, "close_contact")
    assert entry["owner"]
    assert entry["next_deadline"]
    [alarm, *_] = eventually(lambda: outside.alarms_of(close))
    assert alarm["owner"] == entry["owner"]
    reason = outside.code_of(close)["reasons"][0]
    assert reason["evidence"]

    outside.move(outside.move(entry, "place"), "release")
    eventually(lambda: outside.code_of(close)["colour"] == "green")
    eventually(lambda: outside.scan_person(metro, close)["decision"] == "pass")
    timeline = (outside.file_of(close) or {})["timeline"]
    assert {"evidence_found", "evidence_ended"} <= {each["what"] for each in timeline}


def _stopped(outside: Outsider, checkpoint_id: str, person_ref: str) -> Json | None:
    answer = outside.scan_person(checkpoint_id, person_ref)
    return answer if answer["decision"] == "stop" else None


@pytest.mark.parametrize(("told", "days"), [({"symptoms": ["fatigue"]}, 7), ({"contact_with_case": True}, 14)])
def test_a_colour_opens_work_and_its_end_closes_it(outside: Outsider, told: Json, days: int) -> None:
    person_ref = outside.enrol()
    outside.declare(person_ref, **told)
    [entry] = eventually(lambda: outside.entries_of(person_ref, "isolation"))
    assert entry["owner"] == COMMUNITY
    assert entry["stage"] == {7: "seven_days", 14: "fourteen_days"}[days]


def test_a_fever_at_a_gate_alarms_the_gates_district(outside: Outsider) -> None:
    gate, person_ref = outside.checkpoint("metro", "440104001"), outside.healthy()
    eventually(lambda: outside.scan_person(gate, person_ref)["decision"] == "pass")
    assert outside.scan_person(gate, person_ref, temperature_c=38.5)["refusal"] == "fever"
    alarms = eventually(lambda: outside.alarms_of(person_ref))
    assert {alarm["owner"] for alarm in alarms} == {"440104"}
    eventually(lambda: "fever" in {alarm["kind"] for alarm in outside.alarms_of(person_ref)})
