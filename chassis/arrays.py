"""Lists as PostgreSQL arrays, written quickly: psycopg looks at each element by itself, which was a third of a worker.

Importing this module (chassis/database.py does) registers it for every connection that is opened afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.types.array import ListDumper


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_WRITE: dict[type, Callable[[Any], str]] = {
    UUID: lambda value: f"{value.int:032x}",
    int: str,
    bool: lambda value: "t" if value else "f",
    str: _quoted,
    datetime: datetime.isoformat,
    date: date.isoformat,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}


class PlainListDumper(ListDumper):
    """Writes lists of one plain type, with gaps (None) or without; every other list goes psycopg's own way."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        kinds = set(map(type, obj))
        has_gaps = type(None) in kinds
        kinds.discard(type(None))
        write = _WRITE.get(kinds.pop()) if len(kinds) == 1 else None
        if write is None or self.delimiter != b"," or self._tx.encoding != "utf-8":
            return super().dump(obj)
        if has_gaps:
            array = "{" + ",".join(["NULL" if value is None else write(value) for value in obj]) + "}"
        else:
            array = "{" + ",".join(map(write, obj)) + "}"
        return super().dump(obj) if "\0" in array else array.encode()


psycopg.adapters.register_dumper(list, PlainListDumper)
