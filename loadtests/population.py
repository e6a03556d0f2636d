"""The people of the load: written into codes' own tables before the product starts, so that every run begins alike.

Nobody is enrolled over HTTP: 200,000 people would take longer than the load. What is written is what enrolment and a
declaration leave in `person` and `status_list` (D6): a person_ref made of a document number, an entry of the list's own
permutation, a colour. Names and verdicts are left out, no scan needs them. From there everything is the product's own
way: codes serves the lists, checkpoints' worker fetches them with their holders, each board fetches the colours.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from chassis.pseudonym import keyed_uuid
from services.codes.domain.permutation import permuted, place_of

COLOURS = ("green", "red", "yellow", "lapsed")
"""In the order of the status list's values."""
_SHARES = (0.96, 0.01, 0.01, 0.02)
_COMMUNITY = "440103001101"


@dataclass(frozen=True, slots=True)
class Population:
    """Per person the list, the entry in it, and the colour as the status list writes it."""

    lists: array[int]
    idx: array[int]
    colours: bytes

    def write(self, path: Path) -> None:
        path.write_bytes(self.lists.tobytes() + self.idx.tobytes() + self.colours)

    @classmethod
    def read(cls, path: Path) -> Population:
        content = path.read_bytes()
        count = len(content) // 9
        lists, idx = array("I"), array("I")
        lists.frombytes(content[: 4 * count])
        idx.frombytes(content[4 * count : 8 * count])
        return cls(lists, idx, content[8 * count :])


def document_number(person: int) -> str:
    """The number on the resident card of the n-th person."""
    return f"LOAD{person:08d}"


def person_ref(city_key: bytes, person: int) -> str:
    return str(keyed_uuid(city_key, "resident_id", "CN", document_number(person)))


def settle(codes_url: str, city_key: bytes, people: int, *, seed: int) -> Population:
    """Write the people into the fresh database of codes; everybody's entry and colour."""
    chance = random.Random(seed)  # noqa: S311 (a load, no secret)
    with psycopg.connect(codes_url) as connection:
        keys = _open_lists(connection, place_of(people - 1)[0])
        population = Population(
            array("I", (place_of(n)[0] for n in range(people))),
            array("I", (permuted(position, keys[number]) for number, position in map(place_of, range(people)))),
            bytes(chance.choices(range(4), weights=_SHARES, k=people)),
        )
        columns = "person_ref, area, list, idx, colour, revision, since, known_at, enrolled_at"
        with connection.cursor().copy(f"COPY person ({columns}) FROM STDIN") as copy:
            for row in _rows(population, city_key):
                copy.write_row(row)
        connection.execute("SELECT setval('person_number', %s, false)", (people,))
        connection.execute("UPDATE status_list SET revision = revision + 1")
    with psycopg.connect(codes_url, autocommit=True) as connection:
        connection.execute("ANALYZE person")
    return population


def _open_lists(connection: psycopg.Connection, last: int) -> dict[int, bytes]:
    """The permutation key of each list."""
    connection.execute("INSERT INTO status_list (list) SELECT generate_series(1, %s) ON CONFLICT DO NOTHING", (last,))
    rows = connection.execute("SELECT list, permutation_key FROM status_list").fetchall()
    return {number: bytes(key) for number, key in rows}


def _rows(population: Population, city_key: bytes) -> Iterator[tuple[object, ...]]:
    now = datetime.now(UTC)
    places = zip(population.lists, population.idx, population.colours, strict=True)
    for person, (number, idx, colour) in enumerate(places):
        yield person_ref(city_key, person), _COMMUNITY, number, idx, colour, 1, now, now, now
