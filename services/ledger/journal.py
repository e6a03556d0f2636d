"""The journal: an append-only hash chain of everything the ledger did, which anyone with the head can check.

Each record's content is canonical JSON (keys sorted, no spaces, UTF-8), and

    commitment = SHA-256(salt ‖ content)              salt: 32 random bytes, kept with the content
    hash       = SHA-256(previous hash ‖ commitment)   the first previous hash is 32 zero bytes

The chain holds commitments only. Salt and content are destroyed together when retention ends; the chain still stands.
The database links a record when its transaction commits (migration 0001): this module writes contents, checks links.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from services.ledger.domain.records import Record
from services.ledger.store.bulk import insert_rows

GENESIS = bytes(32)
_SALT_BYTES = 32
_ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """`first_broken` is the position of the first link that does not hold; `size` and `hash` are the head's."""

    size: int
    hash: str
    whole: bool
    first_broken: int | None


def content_of(record: Record) -> str:
    """The record as it is committed to: `told` with kind, at, by, entry_id and person_ref beside it."""
    about = {"entry_id": record.entry_id, "person_ref": record.person_ref}
    return canonical({"kind": record.kind, "at": record.at, "by": record.by} | about | dict(record.told))


def canonical(content: Mapping[str, Any]) -> str:
    return orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS).decode()


def write(tx: Connection, records: Sequence[Record]) -> None:
    """Write records in the caller's transaction; they are linked, in this order, when it commits."""
    rows = [
        {
            "entry_id": each.entry_id,
            "person_ref": each.person_ref,
            "salt": os.urandom(_SALT_BYTES),
            "content": content_of(each),
        }
        for each in records
    ]
    insert_rows(tx, "journal_content", rows)


def commitment_of(salt: bytes, content: str) -> bytes:
    return hashlib.sha256(salt + content.encode()).digest()


def hash_of(previous: bytes, commitment: bytes) -> bytes:
    return hashlib.sha256(previous + commitment).digest()


def head(tx: Connection) -> sa.Row[Any]:
    """The row (size, hash, at) of the chain's end."""
    return tx.execute(sa.text("SELECT size, hash, at FROM journal_head")).one()


def verify(tx: Connection) -> Verdict:
    """Walk the whole chain, from the first link to the head, in one snapshot."""
    tx.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    end = head(tx)
    previous, expected = GENESIS, 1
    for link in _links(tx):
        if link.seq != expected or not _holds(link, previous):
            return Verdict(end.size, end.hash.hex(), False, expected)
        previous, expected = bytes(link.hash), expected + 1
    walked = expected - 1
    if walked == end.size and previous == bytes(end.hash):
        return Verdict(end.size, end.hash.hex(), True, None)
    if walked == end.size:
        return Verdict(end.size, end.hash.hex(), False, max(walked, 1))
    return Verdict(end.size, end.hash.hex(), False, min(walked, end.size) + 1)


def _links(tx: Connection) -> Iterator[Any]:
    statement = sa.text(
        "SELECT seq, commitment, previous, hash, c.content_id, salt, content, destroyed_at "
        "FROM journal_link LEFT JOIN journal_content AS c USING (content_id) ORDER BY seq"
    )
    yield from tx.execution_options(yield_per=_ROWS_AT_ONCE).execute(statement)


def _holds(link: Any, previous: bytes) -> bool:
    if bytes(link.previous) != previous or bytes(link.hash) != hash_of(previous, bytes(link.commitment)):
        return False
    if link.content_id is None:
        return False
    if link.content is None:
        return link.destroyed_at is not None
    return commitment_of(bytes(link.salt), link.content) == bytes(link.commitment)


def proof(tx: Connection, entry_id: UUID, *, from_seq: int | None, links_max: int) -> dict[str, Any]:
    """An entry's links with salt and content (None when destroyed), and the chain from the first of them to the head.

    The chain comes in runs of at most `links_max` links; `next_seq` is where to go on, None at the head.
    """
    end = head(tx)
    own = tx.execute(
        sa.text(
            "SELECT seq, commitment, previous, hash, salt, content "
            "FROM journal_content JOIN journal_link USING (content_id) WHERE entry_id = :entry ORDER BY seq"
        ),
        {"entry": entry_id},
    ).all()
    start = from_seq or (own[0].seq if own else 1)
    chain = tx.execute(
        sa.text(
            "SELECT seq, commitment, previous, hash FROM journal_link WHERE seq >= :start ORDER BY seq LIMIT :most"
        ),
        {"start": start, "most": links_max + 1},
    ).all()
    return {
        "entry_id": entry_id,
        "links": [_shown(link) | _opened(link) for link in own],
        "chain": [_shown(link) for link in chain[:links_max]],
        "next_seq": chain[links_max].seq if len(chain) > links_max else None,
        "checkpoint": {"size": end.size, "hash": end.hash.hex(), "at": end.at},
        "formula": {
            "commitment": "SHA-256(salt || content)",
            "hash": "SHA-256(previous || commitment)",
            "genesis": GENESIS.hex(),
        },
    }


def _shown(link: Any) -> dict[str, Any]:
    return {
        "seq": link.seq,
        "commitment": link.commitment.hex(),
        "previous": link.previous.hex(),
        "hash": link.hash.hex(),
    }


def _opened(link: Any) -> dict[str, Any]:
    return {"salt": None if link.salt is None else link.salt.hex(), "content": link.content}
