"""The relay's low-water mark never passes a row that may still appear."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from chassis.database import Database
from chassis.relay import LowWaterMark

_INSERT = (
    "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) "
    "VALUES (gen_random_uuid(), 'case', 'case-1', 'CaseConfirmed', '') RETURNING seq"
)


@pytest.fixture
def connection(mechanics_database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(mechanics_database.url, autocommit=True) as connected:
        yield connected


def lowest_above(connection: psycopg.Connection, mark: LowWaterMark) -> int | None:
    row = connection.execute("SELECT min(seq) FROM outbox WHERE seq > %s", (mark.seq,)).fetchone()
    return row[0] if row else None


def observe(connection: psycopg.Connection, mark: LowWaterMark, times: int = 1) -> None:
    for _ in range(times):
        mark.observe(connection, lowest_above(connection, mark))


def test_a_relay_that_started_before_the_first_event_does_not_pass_it(connection: psycopg.Connection) -> None:
    mark = LowWaterMark()
    observe(connection, mark, times=4)
    connection.execute(_INSERT)
    observe(connection, mark, times=4)
    assert lowest_above(connection, mark) == 1


def test_the_only_writer_may_take_its_time_to_commit(
    connection: psycopg.Connection, mechanics_database: Database
) -> None:
    mark = LowWaterMark()
    with psycopg.connect(mechanics_database.url) as writer:
        writer.execute("INSERT INTO processed_event VALUES ('/t', gen_random_uuid())")
        (seq,) = writer.execute(_INSERT).fetchone() or (0,)
        observe(connection, mark, times=6)
        writer.commit()
    assert mark.seq < seq
    assert lowest_above(connection, mark) == seq


def test_a_transaction_has_its_id_before_it_takes_its_place_in_the_outbox(
    connection: psycopg.Connection, mechanics_database: Database
) -> None:
    """A sequence logs ahead, and hands out most of its values without giving the transaction an id."""
    connection.execute(_INSERT)
    connection.execute("DELETE FROM outbox")
    (default,) = connection.execute(
        "SELECT column_default FROM information_schema.columns WHERE table_name = 'outbox' AND column_name = 'seq'"
    ).fetchone() or ("",)
    mark = LowWaterMark()
    with psycopg.connect(mechanics_database.url) as writer:
        taken = writer.execute(f"SELECT {default}").fetchone() or (0,)
        observe(connection, mark, times=6)
        assert mark.seq < taken[0]


def test_the_mark_rises_when_every_transaction_below_it_is_over(connection: psycopg.Connection) -> None:
    mark = LowWaterMark()
    for _ in range(10):
        connection.execute(_INSERT)
    connection.execute("DELETE FROM outbox")
    observe(connection, mark, times=4)
    assert mark.seq == 10


def test_the_mark_stays_below_a_row_that_is_left(connection: psycopg.Connection) -> None:
    mark = LowWaterMark()
    for _ in range(3):
        connection.execute(_INSERT)
    connection.execute("DELETE FROM outbox WHERE seq <> 2")
    observe(connection, mark, times=4)
    assert mark.seq < 2


def test_no_row_ever_appears_below_the_mark_while_writers_come_late(
    connection: psycopg.Connection, mechanics_database: Database
) -> None:
    """Some seconds of writers that take `seq` and hold their transaction open for as long as they like."""
    stop, written, lock = threading.Event(), set[int](), threading.Lock()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(mechanics_database.url) as writer:
            while not stop.is_set():
                taken = set()
                for _ in range(chance.randint(1, 3)):
                    taken.add((writer.execute(_INSERT).fetchone() or (0,))[0])
                stop.wait(chance.choice([0, 0, 0.002, 0.05, 0.3]))
                if chance.random() < 0.1:
                    writer.rollback()
                    continue
                writer.commit()
                with lock:
                    written.update(taken)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(8)]
    for each in writers:
        each.start()
    mark, seen, marks = LowWaterMark(), set[int](), set[int]()
    deadline = time.monotonic() + 5
    while any(each.is_alive() for each in writers) or lowest_above(connection, mark) is not None:
        if time.monotonic() > deadline:
            stop.set()
        rows = [row[0] for row in connection.execute("SELECT seq FROM outbox WHERE seq > %s ORDER BY seq", (mark.seq,))]
        mark.observe(connection, rows[0] if rows else None)
        connection.execute("DELETE FROM outbox WHERE seq = ANY(%s)", (rows,))
        seen.update(rows)
        marks.add(mark.seq)
    left = connection.execute("SELECT count(*) FROM outbox").fetchone()
    assert left == (0,)
    assert seen == written
    assert len(marks) > 5
