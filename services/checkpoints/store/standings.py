"""The board's snapshot, who holds which entry, and the keys last known."""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB

from services.checkpoints.domain.scans import Entry

_ROWS_A_STATEMENT = 50_000
_PUT_HOLDERS = """
INSERT INTO holder (list, idx, person_ref)
SELECT DISTINCT ON (number, idx) number, idx, person_ref
FROM unnest(CAST(:numbers AS integer[]), CAST(:idx AS integer[]), CAST(:persons AS uuid[]))
     WITH ORDINALITY AS g (number, idx, person_ref, place)
ORDER BY number, idx, place DESC
ON CONFLICT (list, idx) DO UPDATE SET person_ref = excluded.person_ref
WHERE holder.person_ref <> excluded.person_ref
"""


def read_lists(tx: Connection) -> Iterator[tuple[int, int, bytes, array[int]]]:
    """(list, revision, two bits a person, entries whose passes are void) of the snapshot, one at a time: a city's are
    5 MB."""
    numbers = tx.execute(sa.text("SELECT list FROM standing_list ORDER BY list")).scalars().all()
    for number in numbers:
        one = sa.text("SELECT revision, packed, void FROM standing_list WHERE list = :list")
        for row in tx.execute(one, {"list": number}):
            void = array("I", zlib.decompress(row.void) if row.void else b"")
            if sys.byteorder == "big":
                void.byteswap()
            yield number, row.revision, zlib.decompress(row.packed), void


def put_list(tx: Connection, number: int, revision: int, packed: bytes, void: array[int], now: datetime) -> None:
    """Keep a list, unless a newer one is kept."""
    if sys.byteorder == "big":
        void = array("I", void)
        void.byteswap()
    tx.execute(
        sa.text(
            "INSERT INTO standing_list (list, revision, packed, void, taken_at) "
            "VALUES (:list, :revision, :packed, :void, :now) ON CONFLICT (list) DO UPDATE "
            "SET revision = excluded.revision, packed = excluded.packed, void = excluded.void, "
            "taken_at = excluded.taken_at WHERE standing_list.revision <= excluded.revision"
        ),
        {
            "list": number,
            "revision": revision,
            "packed": zlib.compress(packed, 1),
            "void": zlib.compress(void.tobytes(), 1) if void else b"",
            "now": now,
        },
    )


def put_holders(tx: Connection, number: int, idx: Sequence[int], person_refs: bytes) -> None:
    """Who holds which entry: `person_refs` has 16 bytes an entry; of an entry told twice the last holds."""
    for start in range(0, len(idx), _ROWS_A_STATEMENT):
        part = list(idx[start : start + _ROWS_A_STATEMENT])
        persons = [UUID(bytes=person_refs[n * 16 : n * 16 + 16]) for n in range(start, start + len(part))]
        tx.execute(sa.text(_PUT_HOLDERS), {"numbers": [number] * len(part), "idx": part, "persons": persons})


def read_jwks(tx: Connection) -> dict[str, Any] | None:
    found: dict[str, Any] | None = tx.execute(sa.text("SELECT jwks FROM known_jwks")).scalar_one_or_none()
    return found


def put_jwks(tx: Connection, jwks: Mapping[str, Any], now: datetime) -> None:
    statement = sa.text(
        "INSERT INTO known_jwks (jwks, read_at) VALUES (:jwks, :now) ON CONFLICT (only_row) "
        "DO UPDATE SET jwks = excluded.jwks, read_at = excluded.read_at WHERE known_jwks.jwks <> excluded.jwks"
    ).bindparams(sa.bindparam("jwks", type_=JSONB))
    tx.execute(statement, {"jwks": dict(jwks), "now": now})


def holder_of(tx: Connection, entry: Entry) -> UUID | None:
    """Whose entry it is; None while that is not known."""
    found = sa.text("SELECT person_ref FROM holder WHERE list = :list AND idx = :idx")
    person_ref: UUID | None = tx.execute(found, {"list": entry.list, "idx": entry.idx}).scalar_one_or_none()
    return person_ref
