"""What is not right is refused with the field named, and nothing of it is recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from chassis.database import Database
from tests.integration.codes.city import DISTRICT, City, piece, rows

RECORDED = ("person", "identity", "declaration", "evidence", "stay", "area_risk", "verdict", "outbox", "access_log")


def counts(database: Database) -> dict[str, int]:
    return {table: rows(database, f"SELECT count(*) AS n FROM {table}")[0].n for table in RECORDED}  # noqa: S608


def fields(answer: Any) -> list[str]:
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code
    return [error["field"] for error in document.get("errors", [])]


def ago(**time: float) -> str:
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


PERSON = {
    "document": {"type": "resident_id", "country": "CN", "number": "44010319900101123X"},
    "name": "陈小明",
    "residence": {"area": DISTRICT},
}
DECLARATION = {"temperature_c": 36.5, "symptoms": [], "stays": [], "contact_with_case": False}
NOWHERE = {"area": "420105", "from": ago(days=2), "to": ago(days=1)}


WRONG_PEOPLE: list[tuple[Any, str]] = [
    (PERSON | {"colour": "green"}, "colour"),
    (PERSON | {"document": PERSON["document"] | {"type": "library_card"}}, "document.type"),
    (PERSON | {"document": PERSON["document"] | {"country": "Utopia"}}, "document.country"),
    (PERSON | {"document": PERSON["document"] | {"number": "—"}}, "document.number"),
    (PERSON | {"document": PERSON["document"] | {"issued": "2019"}}, "document.issued"),
    (PERSON | {"name": ""}, "name"),
    (PERSON | {"name": "x" * 101}, "name"),
    (PERSON | {"name": "a\u0000b"}, "name"),
    (PERSON | {"name": "\u200b"}, "name"),
    (PERSON | {"name": "\u3164"}, "name"),
    (PERSON | {"name": "张\u202e三"}, "name"),
    (PERSON | {"name": "--"}, "name"),
    (PERSON | {"residence": {"area": DISTRICT, "address": "5\u2067号"}}, "residence.address"),
    (PERSON | {"document": PERSON["document"] | {"number": "МЮ1234567"}}, "document.number"),
    (PERSON | {"document": PERSON["document"] | {"country": ""}}, "document.country"),
    (PERSON | {"name": 7}, "name"),
    (PERSON | {"phone": "call me"}, "phone"),
    (PERSON | {"birth_date": "1990-02-30"}, "birth_date"),
    (PERSON | {"residence": {"area": "990103"}}, "residence.area"),
    (PERSON | {"residence": {"area": "Liwan"}}, "residence.area"),
    ({"name": "x"}, "document"),
    ([], "body"),
]


def test_an_enrolment_that_is_not_right_names_the_field(city: City, database: Database) -> None:
    before = counts(database)
    for body, field in WRONG_PEOPLE:
        answer = city.client.post("/v1/people", json=body, headers=city.issuer.headers("operator"))
        assert answer.status_code == 422, body
        assert field in fields(answer), body
        assert counts(database) == before, body


WRONG_DECLARATIONS: list[tuple[Any, str]] = [
    (DECLARATION | {"mood": "good"}, "mood"),
    (DECLARATION | {"temperature_c": 33.9}, "temperature_c"),
    (DECLARATION | {"temperature_c": 43.1}, "temperature_c"),
    (DECLARATION | {"temperature_c": "36.5"}, "temperature_c"),
    (DECLARATION | {"temperature_c": True}, "temperature_c"),
    (DECLARATION | {"symptoms": ["Fever!"]}, "symptoms.0"),
    (DECLARATION | {"symptoms": "fever"}, "symptoms"),
    (DECLARATION | {"contact_with_case": "no"}, "contact_with_case"),
    ({"symptoms": [], "stays": []}, "contact_with_case"),
    (DECLARATION | {"made_at": "2020-02-11T08:00:00"}, "made_at"),
    (DECLARATION | {"made_at": 1_581_400_000}, "made_at"),
    (DECLARATION | {"made_at": "0001-01-01T00:00:00+14:00"}, "made_at"),
    (DECLARATION | {"made_at": "9999-12-31T23:59:59-14:00"}, "made_at"),
    (DECLARATION | {"made_at": ago(days=7, minutes=1)}, "made_at"),
    (DECLARATION | {"made_at": ago(hours=-3)}, "made_at"),
    (DECLARATION | {"stays": [NOWHERE | {"area": "Wuhan"}]}, "stays.0.area"),
    (DECLARATION | {"stays": [NOWHERE | {"area": "44010600"}]}, "stays.0.area"),
    (DECLARATION | {"made_at": str(int(datetime.now(UTC).timestamp()))}, "made_at"),
    (DECLARATION | {"made_at": "2026-W48-6T08:00:00+08:00"}, "made_at"),
    (DECLARATION | {"made_at": "20261128T080000+0800"}, "made_at"),
    (DECLARATION | {"stays": [NOWHERE, NOWHERE | {"from": ago(days=1), "to": ago(days=2)}]}, "stays.1.from"),
    (DECLARATION | {"stays": [NOWHERE | {"to": ago(days=-1)}]}, "stays.0.to"),
    (DECLARATION | {"stays": [NOWHERE | {"from": ago(days=400)}]}, "stays.0.from"),
    (DECLARATION | {"stays": [NOWHERE] * 51}, "stays"),
]


def test_a_declaration_that_is_not_right_names_the_field(city: City, database: Database) -> None:
    person = city.enrol()
    before = counts(database)
    headers = city.issuer.headers("citizen", person=person)
    for body, field in WRONG_DECLARATIONS:
        answer = city.client.post(f"/v1/people/{person}/declarations", json=body, headers=headers)
        assert answer.status_code == 422, body
        assert field in fields(answer), body
        assert counts(database) == before, body


def test_the_bounds_themselves_are_allowed(city: City) -> None:
    for temperature_c in (34, 34.0, 43):
        city.declare(city.enrol(), temperature_c=temperature_c, made_at=ago(days=6, hours=23))


WRONG_EVIDENCE: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "0.colour"),
    ({"evidence_id": "one"}, "0.evidence_id"),
    ({"kind": "Case!"}, "0.kind"),
    ({"area": "420105"}, "0"),
    ({"person_ref": None}, "0"),
    ({"facts": {"x": "y" * 5_000}}, "0.facts"),
    ({"facts": {"x": "\u0000"}}, "0.facts"),
    ({"facts": []}, "0.facts"),
    ({"observed_at": ago(days=367)}, "0.observed_at"),
    ({"observed_at": ago(days=-1)}, "0.observed_at"),
    ({"source": ""}, "0.source"),
    ({"kind": "stay", "facts": {"area": "420105"}}, "0.facts"),
    ({"kind": "stay", "facts": {"area": "420105", "from": ago(days=1), "to": ago(days=2)}}, "0.facts.from"),
    ({"kind": "area_risk", "person_ref": None, "area": "420105", "facts": {"level": "awful"}}, "0.facts.level"),
    ({"kind": "area_risk", "facts": {"level": "high"}}, "0.area"),
    ({"kind": "area_risk", "person_ref": None, "area": "4401110", "facts": {"level": "high"}}, "0.area"),
    ({"kind": "area_risk", "person_ref": None, "area": "44010600", "facts": {"level": "high"}}, "0.area"),
    ({"facts": {"x": "\u202e"}}, "0.facts"),
    ({"facts": {"\u202e": 1}}, "0.facts"),
    ({"facts": {"x": [{"y": "\u0007"}]}}, "0.facts"),
    ({"source": "\u200b"}, "0.source"),
]


def test_evidence_that_is_not_right_names_the_field_and_nothing_of_the_list_is_recorded(
    city: City, database: Database
) -> None:
    before = counts(database)
    for body, field in WRONG_EVIDENCE:
        wrong = piece("close_contact", person_ref=str(uuid4())) | body
        answer = city.evidence(wrong, piece("case", person_ref=str(uuid4())))
        assert answer.status_code == 422, body
        assert field in fields(answer), body
        assert counts(database) == before, body


def test_facts_that_no_json_store_can_keep_are_refused(city: City) -> None:
    headers = city.issuer.headers("authority") | {"Content-Type": "application/json"}
    for facts in ('{"x": NaN}', '{"x": "\\ud800"}', '{"x": 1e999}'):
        body = (
            f'{{"evidence_id": "{uuid4()}", "kind": "case", "person_ref": "{uuid4()}", "facts": {facts}, '
            f'"observed_at": "{ago(days=1)}", "source": "test"}}'
        )
        assert city.client.post("/v1/evidence", content=body, headers=headers).status_code in (400, 422), facts


def test_an_empty_list_and_one_too_long_are_refused(city: City) -> None:
    assert city.evidence().status_code == 422
    assert city.evidence(*[piece("case", person_ref=str(uuid4()))] * 1_001).status_code == 422


def test_a_body_over_the_limit_is_refused(city: City, database: Database) -> None:
    before = counts(database)
    headers = city.issuer.headers("authority") | {"Content-Type": "application/json"}
    answer = city.client.post("/v1/evidence", content=b"[" + b" " * 1_100_000 + b"]", headers=headers)
    assert (answer.status_code, counts(database)) == (413, before)


def test_a_pass_is_shown_or_printed(city: City) -> None:
    person = city.enrol()
    headers = city.issuer.headers("citizen", person=person)
    for kind in ("green", "", 1, None):
        answer = city.client.post(f"/v1/people/{person}/passes", json={"kind": kind}, headers=headers)
        assert (answer.status_code, fields(answer)) == (422, ["kind"])


def test_a_person_that_is_no_uuid_is_refused_and_an_unknown_one_not_found(city: City) -> None:
    headers = city.issuer.headers("operator")
    assert city.client.get("/v1/people/me/code", headers=headers).status_code == 422
    answer = city.client.get(f"/v1/people/{uuid4()}/code", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "person_not_found")


def test_somebody_known_by_evidence_only_is_not_found_until_enrolled(city: City) -> None:
    person = uuid4()
    city.evidence(piece("case", person_ref=str(person)))
    headers = city.issuer.headers("operator")
    assert city.client.get(f"/v1/people/{person}/code", headers=headers).status_code == 404
    assert city.client.post(f"/v1/people/{person}/passes", json={"kind": "shown"}, headers=headers).status_code == 404
    answer = city.client.post(f"/v1/people/{person}/declarations", json=DECLARATION, headers=headers)
    assert answer.status_code == 404
