"""Who may do what to whom, and what is kept of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from chassis.database import Database
from services.codes.sealing import read_data_keys
from services.codes.settings import CodesSettings
from tests.integration.codes.city import DISTRICT, OTHER_DISTRICT, City, Issuer, piece, rows

DECLARATION = {"symptoms": [], "stays": [], "contact_with_case": False}


def call(city: City, what: str, person: UUID, headers: dict[str, str]) -> Any:
    paths = {
        "code": ("GET", "code", None),
        "declaration": ("POST", "declarations", DECLARATION),
        "pass": ("POST", "passes", {"kind": "shown"}),
    }
    method, path, body = paths[what]
    return city.client.request(method, f"/v1/people/{person}/{path}", json=body, headers=headers)


ALLOWED = {
    "code": {"citizen", "operator", "authority", "community"},
    "declaration": {"citizen", "operator", "community"},
    "pass": {"citizen", "operator"},
}
ROLES = (
    *("citizen", "gate", "device", "community", "operator", "approver"),
    *("authority", "employer", "district", "auditor", "service", "someone"),
)


@pytest.mark.parametrize("what", ALLOWED)
def test_each_role_does_what_the_contract_says_and_no_more(city: City, what: str) -> None:
    person = city.enrol()
    for role in ROLES:
        status = call(city, what, person, city.issuer.headers(role, person=person)).status_code
        assert (status < 300) == (role in ALLOWED[what]), role
        assert status < 300 or status == 403, role


@pytest.mark.parametrize("what", ALLOWED)
def test_a_citizen_reaches_nobody_else_also_with_an_area_in_the_token(city: City, what: str) -> None:
    person, other = city.enrol(), city.enrol()
    assert call(city, what, other, city.issuer.headers("citizen", person=person)).status_code == 403
    assert call(city, what, uuid4(), city.issuer.headers("citizen", person=person)).status_code == 403
    assert call(city, what, other, city.issuer.headers("citizen")).status_code == 403


@pytest.mark.parametrize("what", ALLOWED)
def test_an_official_reaches_their_own_area_only(city: City, what: str) -> None:
    here, nowhere = city.enrol(area=DISTRICT + "001"), city.enrol(residence=None)
    for area, person, allowed in [
        (DISTRICT, here, True),
        (DISTRICT + "001", here, True),
        (OTHER_DISTRICT, here, False),
        (DISTRICT + "002", here, False),
        ("", here, False),
        ("4401", nowhere, True),
        (DISTRICT, nowhere, False),
    ]:
        answer = call(city, what, person, city.issuer.headers("operator", area=area))
        assert (answer.status_code < 300) == allowed, (area, person)
        assert allowed or answer.json()["code"] == "area_refused"


def test_enrolment_and_evidence_stay_in_the_bearers_area(city: City, database: Database) -> None:
    body = {"document": {"type": "passport", "number": "E12345678"}, "name": "x", "residence": {"area": DISTRICT}}
    elsewhere = city.issuer.headers("operator", area=OTHER_DISTRICT)
    assert city.client.post("/v1/people", json=body, headers=elsewhere).status_code == 403
    assert rows(database, "SELECT 1 FROM person") == []
    person, abroad = city.enrol(area=DISTRICT), "420105"
    for area, given, status in [
        (OTHER_DISTRICT, piece("case", person_ref=str(person)), 403),
        (DISTRICT, piece("case", person_ref=str(person)), 202),
        (DISTRICT, piece("area_risk", area=OTHER_DISTRICT, facts={"level": "high"}), 403),
        (DISTRICT, piece("area_risk", area=DISTRICT + "001", facts={"level": "low"}), 202),
        (DISTRICT, piece("area_risk", area=abroad, facts={"level": "high"}), 403),
        ("4401", piece("area_risk", area=abroad, facts={"level": "high"}), 202),
    ]:
        answer = city.client.post("/v1/evidence", json=given, headers=city.issuer.headers("authority", area=area))
        assert answer.status_code == status, (area, given["kind"])


def test_a_citizen_enrols_once(city: City) -> None:
    body = {"document": {"type": "passport", "number": "E12345678"}, "name": "x", "residence": {"area": DISTRICT}}
    first = city.client.post("/v1/people", json=body, headers=city.issuer.headers("citizen"))
    assert first.status_code == 201
    person = UUID(first.json()["person_ref"])
    again = city.client.post("/v1/people", json=body, headers=city.issuer.headers("citizen", person=person))
    assert again.status_code == 403


def test_the_same_document_again_finds_the_person_and_the_first_name_stays(
    city: City, database: Database, settings: CodesSettings
) -> None:
    body = {"document": {"type": "passport", "country": "CHN", "number": "e-1234 5678"}, "name": "First"}
    headers = city.issuer.headers("operator")
    first = city.client.post("/v1/people", json=body, headers=headers)
    other = body | {"name": "Second", "document": {"type": "passport", "number": "E12345678"}}
    second = city.client.post("/v1/people", json=other, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    (row,) = rows(database, "SELECT * FROM identity")
    sealer = read_data_keys(settings.data_keys_file)
    assert sealer.open(bytes(row.name_sealed), row.person_ref, "name") == "First"
    assert sealer.open(bytes(row.number_sealed), row.person_ref, "number") == "E12345678"


def test_a_name_a_number_and_a_phone_stand_nowhere_in_clear(city: City, database: Database) -> None:
    number, name, phone = "44010319900101123X", "陈小明", "13812345678"
    person = city.enrol(number, name=name, phone=phone, birth_date="1990-01-01")
    city.declare(person)
    tables = [
        row.table_name
        for row in rows(
            database,
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
        )
    ]
    for table in tables:
        for row in rows(database, f"SELECT CAST(t AS text) AS written FROM {table} AS t"):  # noqa: S608
            for secret in (number, name, phone, "1990-01-01"):
                assert secret not in row.written, table
                assert secret.encode().hex() not in row.written, table


def test_a_look_by_an_official_is_logged_and_ones_own_is_not(city: City, database: Database) -> None:
    person = city.enrol()
    city.declare(person)
    city.code(person)
    assert [row.what for row in rows(database, "SELECT what FROM access_log")] == ["enrolment"]
    call(city, "code", person, city.issuer.headers("authority"))
    call(city, "pass", person, city.issuer.headers("operator"))
    call(city, "code", person, city.issuer.headers("authority", area=OTHER_DISTRICT))
    logged = rows(
        database, "SELECT subject, what, person_ref, route, is_refused FROM access_log WHERE what <> 'enrolment'"
    )
    assert [tuple(row) for row in logged] == [
        ("test-authority", "code", person, "/v1/people/{person_ref}/code", False),
        ("test-operator", "pass", person, "/v1/people/{person_ref}/passes", False),
        ("test-authority", "code", person, "/v1/people/{person_ref}/code", True),
    ]


@pytest.mark.parametrize("what", ["declaration", "pass"])
def test_a_look_is_logged_also_where_the_answer_is_that_the_person_has_died(
    city: City, database: Database, what: str
) -> None:
    person = city.enrol()
    with database.transaction() as tx:
        tx.execute(sa.text("UPDATE person SET is_void = true"))
    answer = call(city, what, person, city.issuer.headers("operator"))
    assert (answer.status_code, answer.json()["code"]) == (409, "person_dead")
    logged = rows(database, "SELECT subject, what, person_ref, is_refused FROM access_log WHERE what <> 'enrolment'")
    assert [tuple(row) for row in logged] == [("test-operator", what, person, False)]


@pytest.mark.parametrize("statement", ["UPDATE access_log SET subject = 'x'", "DELETE FROM access_log"])
def test_the_log_of_looks_cannot_be_rewritten(database: Database, statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), database.transaction() as tx:
        tx.execute(sa.text(statement))


def test_a_foreign_and_an_expired_token_are_refused(city: City) -> None:
    person = city.enrol()
    for headers in (
        Issuer().headers("operator"),
        city.issuer.headers("operator", life_s=-1),
        {"Authorization": "Bearer nonsense"},
        {},
    ):
        answer = call(city, "code", person, headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
