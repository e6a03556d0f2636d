"""Pages of what `republish` tells again: entries that are open or were closed of late, with evidence and traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.database import Database
from services.ledger.domain.contacts import Trace
from services.ledger.domain.entries import Entry
from services.ledger.domain.evidence import Evidence
from services.ledger.store.tables import entry, entry_of, evidence, evidence_of_row, trace

CLOSED_KEPT = timedelta(days=60)
"""Whoever missed an ending must hear of it, or the person keeps the colour: three times the log's retention."""
_ENTRIES_AT_ONCE = 500

Page = tuple[Sequence[Entry], Sequence[Evidence], Sequence[Trace]]


def pages_to_tell(database: Database, now: datetime) -> Iterator[Callable[[Connection], Page]]:
    """Readers of pages, each to be called in the transaction that tells what it reads (it locks the entries)."""
    wanted = sa.or_(entry.c.closed_at.is_(None), entry.c.closed_at > now - CLOSED_KEPT)
    with database.transaction() as tx:
        ids = list(tx.execute(sa.select(entry.c.entry_id).where(wanted).order_by(entry.c.entry_id)).scalars())
    for start in range(0, len(ids), _ENTRIES_AT_ONCE):
        chosen = ids[start : start + _ENTRIES_AT_ONCE]
        yield lambda tx, chosen=chosen: _page(tx, chosen)  # type: ignore[misc]


def _page(tx: Connection, ids: Sequence[UUID]) -> Page:
    chosen = sa.any_(sa.cast(list(ids), sa.ARRAY(sa.Uuid)))
    locked = sa.select(entry).where(entry.c.entry_id == chosen).order_by(entry.c.entry_id).with_for_update()
    entries = [entry_of(row) for row in tx.execute(locked)]
    told = sa.select(evidence).where(evidence.c.entry_id == chosen).order_by(evidence.c.evidence_id)
    still_open = [each.entry_id for each in entries if each.is_open]
    asked = sa.select(trace).where(trace.c.entry_id == sa.any_(sa.cast(still_open, sa.ARRAY(sa.Uuid))))
    traces = [
        Trace(row.trace_id, row.entry_id, row.person_ref, row.asked_from, row.asked_to) for row in tx.execute(asked)
    ]
    return entries, [evidence_of_row(row) for row in tx.execute(told)], traces
