"""Lists as arrays: whatever is written quickly reads back as psycopg itself would have written it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.array import ListDumper

from chassis.arrays import PlainListDumper

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Word(StrEnum):
    GREEN = "green"


@pytest.fixture(scope="module")
def connection(postgres):
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        yield connection


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.tuples(st.just("uuid[]"), st.lists(st.none() | st.uuids())),
        st.tuples(st.just("bigint[]"), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))),
        st.tuples(st.just("boolean[]"), st.lists(st.none() | st.booleans())),
        st.tuples(st.just("text[]"), st.lists(st.none() | TEXTS)),
        st.tuples(st.just("bytea[]"), st.lists(st.none() | st.binary())),
        st.tuples(st.just("date[]"), st.lists(st.none() | st.dates())),
        st.tuples(
            st.just("timestamptz[]"),
            st.lists(
                st.none() | st.timedeltas(timedelta(-40_000), timedelta(2_900_000)).map(lambda since: EPOCH + since)
            ),
        ),
    )
)
def test_a_list_comes_back_as_it_went(connection, given_list):
    kind, values = given_list
    row = connection.execute(f"SELECT CAST(%s AS {kind})", (values,)).fetchone()
    assert row[0] == values


def test_all_kinds_of_plain_values_are_told_by_their_own_type(connection):
    here = datetime(2022, 6, 28, 12, tzinfo=timezone(timedelta(hours=8)))
    for values, name in (
        ([uuid4()], "uuid[]"),
        ([None, here], "timestamp with time zone[]"),
        ([date(2022, 6, 28)], "date[]"),
        ([True], "boolean[]"),
        ([b"\\x00"], "bytea[]"),
        ([1, 2**40], "bigint[]"),
    ):
        row = connection.execute("SELECT pg_typeof(%s)::text, %s", (values, values)).fetchone()
        assert row == (name, values)


def test_other_lists_go_psycopgs_own_way(connection):
    for kind, values in (
        ("text[]", [Word.GREEN]),
        ("int[]", [[1, 2], [3, 4]]),
        ("float8[]", [1.5, None]),
        ("int[]", []),
    ):
        row = connection.execute(f"SELECT CAST(%s AS {kind})", (values,)).fetchone()
        assert row[0] == values


def test_what_no_array_can_hold_is_refused_before_it_is_sent(connection):
    with pytest.raises(psycopg.DataError):
        connection.execute("SELECT %s::text[]", (["a\0b"],))


def test_it_is_what_connections_use(connection):
    dumper = psycopg.adapt.Transformer(connection).get_dumper([UUID(int=0)], psycopg.adapt.PyFormat.AUTO)
    assert isinstance(dumper, PlainListDumper)


def test_a_plain_list_is_not_looked_at_element_by_element(connection, monkeypatch):
    def slowly(self, obj):
        raise AssertionError("psycopg's own way")

    monkeypatch.setattr(ListDumper, "dump", slowly)
    assert connection.execute("SELECT %s::uuid[]", ([UUID(int=7), None],)).fetchone() == ([UUID(int=7), None],)
