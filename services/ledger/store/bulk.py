"""Many rows in one statement: a trace brings 500 contacts at once, and a round trip a row would take a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection


def insert_rows(
    tx: Connection, table: str, rows: Sequence[Mapping[str, Any]], *, unless_there: bool = False, returning: str = ""
) -> list[Any]:
    """Insert rows of equal columns in the order given; the column `returning` of those that were inserted.

    They travel as one JSON document that the table's own row type reads (arrays cost several times as much to write).
    `unless_there` passes over rows that a unique index refuses.
    """
    if not rows:
        return []
    names = ", ".join(rows[0])
    statement = (
        f"INSERT INTO {table} ({names}) "  # noqa: S608 (names come from the store, never from a caller)
        f"SELECT {names} FROM json_populate_recordset(CAST(NULL AS {table}), CAST(:rows AS json))"
    )
    statement += " ON CONFLICT DO NOTHING" if unless_there else ""
    statement += f" RETURNING {returning}" if returning else ""
    answer = tx.execute(sa.text(statement), {"rows": orjson.dumps(rows, default=_plain).decode()})
    return list(answer.scalars()) if returning else []


def update_rows(
    tx: Connection, table: str, key: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Set the columns of rows by their key, a uuid; the caller has locked them. They travel as `insert_rows` says."""
    if not rows:
        return
    changes = ", ".join(f"{column} = new.{column}" for column in columns)
    statement = (
        f"UPDATE {table} SET {changes} "  # noqa: S608 (names come from the store, never from a caller)
        f"FROM json_populate_recordset(CAST(NULL AS {table}), CAST(:rows AS json)) AS new "
        f"WHERE {table}.{key} = new.{key} AND {table}.{key} = ANY(CAST(:keys AS uuid[]))"
    )
    sent = [{name: row[name] for name in (key, *columns)} for row in rows]
    tx.execute(
        sa.text(statement), {"rows": orjson.dumps(sent, default=_plain).decode(), "keys": [row[key] for row in rows]}
    )


def _plain(value: object) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)
