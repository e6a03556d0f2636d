"""No refusal of codes changes with a fact that the bearer may not read."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID, uuid4

from chassis.database import Database
from tests.hidden_facts import Named, Probe, bearers, endpoints, same_refusal
from tests.integration.codes.city import DISTRICT, OTHER_DISTRICT, City, piece, rows

DECLARATION = {"symptoms": [], "stays": [], "contact_with_case": False}


def document(number: object) -> dict[str, Any]:
    return {"type": "passport", "country": "CN", "number": number}


def enrolment(names: Named) -> dict[str, Any]:
    return {"document": document(names["number"]), "name": "陈小明", "residence": {"area": DISTRICT}}


PROBES = [
    Probe("POST", "/v1/people", enrolment),
    Probe("POST", "/v1/people", lambda names: {"document": document(names["number"]), "name": "陈小明"}),
    Probe("POST", "/v1/people/{person_ref}/declarations", lambda _: DECLARATION),
    Probe("GET", "/v1/people/{person_ref}/code"),
    Probe("POST", "/v1/people/{person_ref}/passes", lambda _: {"kind": "shown"}),
    Probe("POST", "/v1/evidence", lambda names: piece("test_result", person_ref=str(names["person_ref"]))),
    Probe("POST", "/v1/evidence", lambda names: [piece("test_result", document=document(names["number"]))]),
]
OF_NO_PERSON = {
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/v1/status-lists/{number}"),
    ("GET", "/s/{number}"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}
FOR_SERVICES = {("GET", "/v1/standings"), ("GET", "/v1/standings/{number}"), ("POST", "/v1/masks")}
"""These serve the whole city to a service whose token names the scope."""


def test_no_refusal_changes_with_what_is_hidden(city: City) -> None:
    asked = {probe.endpoint for probe in PROBES} | OF_NO_PERSON | FOR_SERVICES
    assert endpoints(city.client) <= asked
    statuses = set()
    known = "E" + secrets.token_hex(5)
    hidden = {"number": known, "person_ref": enrolled(city, known)}
    for role, area in bearers((OTHER_DISTRICT + "001", "")):
        for own in (None, uuid4()) if role == "citizen" else (None,):
            headers = city.issuer.headers(role, area=area, person=own)
            for probe in PROBES:
                nothing = {"number": "E" + secrets.token_hex(5), "person_ref": uuid4()}
                statuses.add(same_refusal(city.client, probe, headers, hidden, nothing))
    assert statuses == {201, 403}


def enrolled(city: City, number: str) -> UUID:
    return city.enrol(number, document=document(number))


def test_a_citizen_gets_201_either_way_and_changes_nothing_that_is_known(city: City, database: Database) -> None:
    known = enrolled(city, "E12345678")
    tables = ("person", "identity", "verdict", "outbox")
    before = [rows(database, f"SELECT * FROM {table}") for table in tables]  # noqa: S608 (names of the test's own)
    said = {"name": "另一人", "phone": "13900000000", "residence": {"area": OTHER_DISTRICT}}
    answers = [
        city.client.post(
            "/v1/people", json={"document": document(number)} | said, headers=city.issuer.headers("citizen", area="")
        )
        for number in ("E12345678", "E87654321", "E87654321")
    ]
    assert [each.status_code for each in answers] == [201, 201, 201]
    assert answers[0].json() == {"person_ref": str(known)}
    assert answers[1].json() == answers[2].json()
    after = [
        [row for row in rows(database, f"SELECT * FROM {table}") if row in kept]  # noqa: S608
        for table, kept in zip(tables, before, strict=True)
    ]
    assert after == before
    assert rows(database, "SELECT count(*) FROM person")[0][0] == 2
    official = city.client.post(
        "/v1/people", json=enrolment({"number": "E12345678"}), headers=city.issuer.headers("operator")
    )
    assert official.status_code == 200


def test_a_look_that_is_refused_is_logged_by_document_too(city: City, database: Database) -> None:
    known, elsewhere = enrolled(city, "E12345678"), city.issuer.headers("authority", area=OTHER_DISTRICT)
    stranger = uuid4()
    evidence = piece("test_result", document=document("E12345678"))
    assert city.client.post("/v1/evidence", json=evidence, headers=elsewhere).status_code == 403
    assert city.client.post("/v1/evidence", json=evidence, headers=city.issuer.headers("authority")).status_code == 202
    assert city.client.get(f"/v1/people/{stranger}/code", headers=elsewhere).status_code == 403
    operator = city.issuer.headers("operator", area=OTHER_DISTRICT)
    assert city.client.post("/v1/people", json=enrolment({"number": "E12345678"}), headers=operator).status_code == 403
    logged = rows(
        database,
        "SELECT subject, roles, area, what, person_ref, is_refused FROM access_log ORDER BY access_id OFFSET 1",
    )
    assert [tuple(each) for each in logged] == [
        ("test-authority", "authority", OTHER_DISTRICT, "evidence", known, True),
        ("test-authority", "authority", "4401", "evidence", known, False),
        ("test-authority", "authority", OTHER_DISTRICT, "code", stranger, True),
        ("test-operator", "operator", OTHER_DISTRICT, "enrolment", known, True),
    ]


def test_standings_with_persons_log_everybody_who_is_in_the_list(city: City, database: Database) -> None:
    people = {city.enrol() for _ in range(3)}
    service = city.issuer.headers("service")
    assert city.client.get("/v1/standings/1", headers=service).status_code == 200
    assert rows(database, "SELECT 1 FROM access_log WHERE what = 'standings'") == []
    assert city.client.get("/v1/standings/1?persons=true", headers=service).status_code == 200
    logged = rows(database, "SELECT subject, person_ref, route FROM access_log WHERE what = 'standings'")
    assert {tuple(each) for each in logged} == {("test-service", each, "/v1/standings/{number}") for each in people}
    assert len(logged) == 3
