"""Whose card it is: many readers ask at once, and nobody waits for all before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import psycopg
import pytest

from services.checkpoints.directory import _ENTRIES, _ENTRIES_AND_HELD, Directory
from services.checkpoints.domain.errors import StoreUnavailable
from services.checkpoints.domain.scans import Entry, Holders


class CountingDirectory(Directory):
    questions = 0

    async def _answered(self, statement: str, *arguments: object) -> list[tuple[object, ...]]:
        self.questions += 1
        return await super()._answered(statement, *arguments)


def test_who_asks_at_once_is_answered_together_and_each_gets_only_their_own(migrated: Callable[[str], str]) -> None:
    url = migrated("checkpoints")
    people = [uuid4() for _ in range(300)]
    with psycopg.connect(url) as connection:
        for n, person_ref in enumerate(people):
            connection.execute("INSERT INTO holder VALUES (1, %s, %s)", (n, person_ref))
        connection.execute("INSERT INTO holder VALUES (2, 7, %s)", (people[7],))

    async def ask() -> tuple[list[dict[UUID, list[Entry]]], int]:
        directory = CountingDirectory(url)
        answers = await asyncio.gather(*(directory.holders([each, uuid4()]) for each in people))
        await directory.close()
        return [dict(each.entries) for each in answers], directory.questions

    answers, questions = asyncio.run(ask())
    expected = [{each: [Entry(1, n)]} for n, each in enumerate(people)]
    expected[7] = {people[7]: [Entry(1, 7), Entry(2, 7)]}
    assert answers == expected
    assert questions <= 2


def test_without_the_store_everybody_who_asked_is_told() -> None:
    async def ask() -> list[object]:
        directory = Directory("postgresql:///nowhere?host=/nonexistent", timeout_s=1.0)
        return await asyncio.gather(*(directory.holders([uuid4()]) for _ in range(3)), return_exceptions=True)

    assert [type(each) for each in asyncio.run(ask())] == [StoreUnavailable] * 3


def test_one_that_leaves_does_not_take_the_answer_from_the_others(migrated: Callable[[str], str]) -> None:
    url, person_ref = migrated("checkpoints"), uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO holder VALUES (1, 1, %s)", (person_ref,))

    async def ask() -> Holders:
        directory = Directory(url)
        leaving = asyncio.create_task(directory.holders([person_ref]))
        staying = asyncio.create_task(directory.holders([person_ref]))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        found = await staying
        await directory.close()
        return found

    assert asyncio.run(ask()).entries == {person_ref: [Entry(1, 1)]}


def test_of_the_entries_that_are_shown_it_says_which_are_held(migrated: Callable[[str], str]) -> None:
    url = migrated("checkpoints")
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO holder VALUES (1, 1, %s)", (uuid4(),))

    async def ask() -> Holders:
        directory = Directory(url)
        found = await directory.holders([uuid4()], [Entry(1, 1), Entry(1, 2), Entry(3, 1)])
        await directory.close()
        return found

    assert asyncio.run(ask()) == Holders({}, frozenset([Entry(1, 1)]))


def test_behind_a_store_that_answers_nobody_those_who_wait_are_told_together(migrated: Callable[[str], str]) -> None:
    """One after the other, each after the time of all before, the last of forty would be told after twenty seconds."""
    url = migrated("checkpoints")

    async def ask() -> list[object]:
        directory = Directory(url, timeout_s=0.5)
        questions = (directory.digests_of([uuid4()]) for _ in range(40))
        return await asyncio.wait_for(asyncio.gather(*questions, return_exceptions=True), 10)

    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE scan IN ACCESS EXCLUSIVE MODE")
        assert [type(each) for each in asyncio.run(ask())] == [StoreUnavailable] * 40


def test_a_card_is_looked_up_by_indices_alone(migrated: Callable[[str], str]) -> None:
    """Also with the one plan that a prepared statement keeps for all values, and joined with what passes point at."""
    with psycopg.connect(migrated("checkpoints"), autocommit=True) as connection:
        connection.execute("INSERT INTO holder SELECT 1, n, gen_random_uuid() FROM generate_series(1, 20000) AS n")
        connection.execute("ANALYZE holder")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        for name, statement, values in (
            ("entries", _ENTRIES, ["uuid[]"]),
            ("entries_and_held", _ENTRIES_AND_HELD, ["uuid[]", "integer[]", "integer[]"]),
        ):
            numbered = "".join(f"{part}${n}" for n, part in enumerate(statement.split("%s"), 1)).rpartition("$")[0]
            connection.execute(f"PREPARE {name} ({', '.join(values)}) AS {numbered}".encode())
            given = ", ".join(f"'{{}}'::{kind}" for kind in values)
            plan = "\n".join(row for (row,) in connection.execute(f"EXPLAIN EXECUTE {name} ({given})".encode()))
            assert "Index" in plan, plan
            assert "Seq Scan" not in plan, plan
