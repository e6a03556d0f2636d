"""Enrol, declare, read, show: the part of the loop that a person sees."""

from __future__ import annotations

from chassis.database import Database
from tests.integration.codes.city import City, rows

SURFACE = {
    ("POST", "/v1/masks"),
    ("POST", "/v1/people"),
    ("POST", "/v1/people/{person_ref}/declarations"),
    ("GET", "/v1/people/{person_ref}/code"),
    ("POST", "/v1/people/{person_ref}/passes"),
    ("POST", "/v1/evidence"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/v1/status-lists/{number}"),
    ("GET", "/s/{number}"),
    ("POST", "/v1/masks"),
    ("GET", "/v1/standings"),
    ("GET", "/v1/standings/{number}"),
}


def test_everything_that_codes_answers_is_described(city: City) -> None:
    described = city.client.get("/openapi.json").json()
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found >= SURFACE
    assert all(path in ("/livez", "/readyz", "/metrics") for _, path in found - SURFACE)
    assert city.client.get("/readyz").json()["ready"]


def test_a_temperature_is_cut_and_not_rounded(city: City) -> None:
    person = city.enrol()
    assert city.declare(person, temperature_c=37.29)["code"]["colour"] == "green"
    assert city.declare(person, temperature_c=37.3)["code"]["colour"] == "yellow"


def test_a_declaration_turns_lapsed_into_green(city: City, database: Database) -> None:
    person = city.enrol()
    assert city.code(person)["colour"] == "lapsed"
    answer = city.declare(person, temperature_c=36.5)
    assert answer["code"]["colour"] == "green"
    assert city.code(person)["colour"] == "green"
    assert [row.type for row in rows(database, "SELECT type FROM outbox ORDER BY seq")] == [
        "guanka.codes.v1.ColourChanged",
        "guanka.codes.v1.StandingsChanged",
    ] * 2
