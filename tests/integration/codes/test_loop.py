"""Enrol, declare, read, show: the part of the loop that a person sees."""

from __future__ import annotations

from chassis.database import Database
from tests.integration.codes.city import City, rows


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
