"""What the api and the worker of a service may do in its database; the role that migrates owns it and gives them this.

Rights follow what the tables say themselves: of one that is only added to (a trigger of the name `…append_only`), what
the trigger refuses is not granted either, and only an owner could take a trigger away. What a role had before is taken
from it first, so that migrating again leaves what stands here.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.sql import SQL, Composable, Identifier

_DELETE, _UPDATE = 8, 16
"""Bits of pg_trigger.tgtype."""
_READ_ONLY = frozenset(["alembic_version"])
_TABLES = """
    SELECT c.relname, coalesce(bit_or(t.tgtype) FILTER (WHERE t.tgname LIKE '%append_only'), 0)::int
    FROM pg_class c LEFT JOIN pg_trigger t ON t.tgrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    GROUP BY c.relname ORDER BY c.relname
"""
_PARTS = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND (relname = %s OR relname LIKE %s)
    ORDER BY relname
"""


def give_rights(
    database_url: str, *, api: str, worker: str, worker_owns: Sequence[str] = (), worker_empties: Sequence[str] = ()
) -> None:
    """`worker_owns` are tables whose partitions the worker makes and drops, `worker_empties` those it truncates.

    The role that connects owns the database and, where the worker owns tables, is a member of the worker's role.
    """
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('migrations'))")
        _let_in(connection, [api, worker])
        if worker_owns:
            _run(connection, SQL("GRANT CREATE ON SCHEMA public TO {}"), Identifier(worker))
        for table in worker_owns:
            for (part,) in connection.execute(_PARTS, (table, f"{table}\\_day\\_%")).fetchall():
                _run(connection, SQL("ALTER TABLE {} OWNER TO {}"), Identifier(part), Identifier(worker))
        for table, refused in connection.execute(_TABLES).fetchall():
            for role in [api] if table in worker_owns else dict.fromkeys([api, worker]):
                _grant_on_table(connection, table, _allowed(table, refused), role)
        for table in worker_empties:
            _run(connection, SQL("GRANT SELECT, TRUNCATE ON {} TO {}"), Identifier(table), Identifier(worker))


def _let_in(connection: psycopg.Connection, roles: Sequence[str]) -> None:
    database = Identifier(connection.info.dbname)
    _run(connection, SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC"), database)
    _run(connection, SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    for role in map(Identifier, dict.fromkeys(roles)):
        _run(connection, SQL("GRANT CONNECT ON DATABASE {} TO {}"), database, role)
        _run(connection, SQL("GRANT USAGE ON SCHEMA public TO {}"), role)
        _run(connection, SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}"), role)


def _allowed(table: str, refused: int) -> list[str]:
    if table in _READ_ONLY:
        return ["SELECT"]
    changes = [word for word, bit in (("UPDATE", _UPDATE), ("DELETE", _DELETE)) if not refused & bit]
    return ["SELECT", "INSERT", *changes]


def _grant_on_table(connection: psycopg.Connection, table: str, allowed: Sequence[str], role: str) -> None:
    _run(connection, SQL("REVOKE ALL ON {} FROM {}"), Identifier(table), Identifier(role))
    words = SQL(", ").join(map(SQL, allowed))
    _run(connection, SQL("GRANT {} ON {} TO {}"), words, Identifier(table), Identifier(role))


def _run(connection: psycopg.Connection, statement: SQL, *parts: Composable) -> None:
    connection.execute(statement.format(*parts))
