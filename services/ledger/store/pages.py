"""Pages of what `republish` tells again: entries that are open or were closed of late, with evidence and traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.database import Database
from services.ledger.domain.contacts import Trace
from services.ledger.domain.entries import Entry
from services.ledger.domain.evidence import Evidence
from services.ledger.store.tables import entry, entry_of, evidence, evidence_of_row, step, trace

CLOSED_KEPT = timedelta(days=60)
"""Whoever missed an ending must hear of it, or the person keeps the colour: three times the log's retention."""
_ENTRIES_AT_ONCE = 500

Page = tuple[Sequence[Entry], Sequence[Evidence], Sequence[Trace]]


def pages_to_tell(
    database: Database, pseudonym: Callable[[str], UUID], now: datetime
) -> Iterator[Callable[[Connection], Page]]:
    """Readers of pages, each to be called in the transaction that tells what it reads (it locks the entries).

    A trace of which was never told who asked is given the pseudonym of the person who opened its entry, for good.
    """
    wanted = sa.or_(entry.c.closed_at.is_(None), entry.c.closed_at > now - CLOSED_KEPT)
    with database.transaction() as tx:
        ids = list(tx.execute(sa.select(entry.c.entry_id).where(wanted).order_by(entry.c.entry_id)).scalars())
    for start in range(0, len(ids), _ENTRIES_AT_ONCE):
        chosen = ids[start : start + _ENTRIES_AT_ONCE]
        yield lambda tx, chosen=chosen: _page(tx, chosen, pseudonym)  # type: ignore[misc]


def _page(tx: Connection, ids: Sequence[UUID], pseudonym: Callable[[str], UUID]) -> Page:
    chosen = _any(ids)
    locked = sa.select(entry).where(entry.c.entry_id == chosen).order_by(entry.c.entry_id).with_for_update()
    entries = [entry_of(row) for row in tx.execute(locked)]
    told = sa.select(evidence).where(evidence.c.entry_id == chosen).order_by(evidence.c.evidence_id)
    still_open = [each.entry_id for each in entries if each.is_open]
    _name_requesters(tx, still_open, pseudonym)
    asked = sa.select(trace).where(trace.c.entry_id == _any(still_open)).order_by(trace.c.trace_id)
    traces = [
        Trace(row.trace_id, row.entry_id, row.person_ref, row.asked_from, row.asked_to, row.requested_by, row.revision)
        for row in tx.execute(asked)
    ]
    return entries, [evidence_of_row(row) for row in tx.execute(told)], traces


def _name_requesters(tx: Connection, entries: Sequence[UUID], pseudonym: Callable[[str], UUID]) -> None:
    """Traces of before: who asked is who opened the entry, where a person did; told as a further revision."""
    unnamed = (
        sa.select(trace.c.trace_id, step.c.made_by)
        .join(step, sa.and_(step.c.entry_id == trace.c.entry_id, step.c.version == 1))
        .where(trace.c.entry_id == _any(entries), trace.c.requested_by.is_(None))
    )
    for row in tx.execute(unnamed).all():
        if row.made_by.startswith(("event:", "timer:")):
            continue
        named = sa.update(trace).where(trace.c.trace_id == row.trace_id)
        tx.execute(named.values(requested_by=pseudonym(row.made_by), revision=trace.c.revision + 1))


def _any(ids: Sequence[UUID]) -> Any:
    return sa.any_(sa.cast(list(ids), sa.ARRAY(sa.Uuid)))
