"""The inbox: an event has one effect although it may arrive many times, late, or again from a dead letter.

Repeats are known by `processed_event (source, id)`; a `revision` that is not newer than its subject's last is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.message import Message, Subscription, handle_run


class RevisionMoved(Exception):
    """Another process has applied a revision of the same subject meanwhile; the work is tried again."""


def handle_messages(tx: Connection, subscription: Subscription, messages: Sequence[Message]) -> None:
    """Drop repeats and stale revisions, then hand what remains to the handlers in order, runs of one type together."""
    fresh = _fresh(tx, [message for message in messages if message.type in subscription.handlers])
    if subscription.has_revisions:
        fresh = _newer(tx, fresh)
    for kind, run in groupby(fresh, key=lambda message: message.type):
        handle_run(subscription.handlers[kind], tx, list(run))


def _fresh(tx: Connection, messages: Sequence[Message]) -> list[Message]:
    if not messages:
        return []
    unique = {(message.source, message.id): message for message in messages}
    sources, ids = [source for source, _ in unique], [identifier for _, identifier in unique]
    new = tx.execute(
        sa.text(
            "INSERT INTO processed_event (source, id) "
            "SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:ids AS uuid[])) "
            "ON CONFLICT DO NOTHING RETURNING source, id"
        ),
        {"sources": sources, "ids": ids},
    )
    is_new = {(row.source, row.id) for row in new}
    return [message for key, message in unique.items() if key in is_new]


def _newer(tx: Connection, messages: Sequence[Message]) -> list[Message]:
    """The messages whose revision is newer than the last applied of their subject (also within the batch).

    What is read stays locked, so that a replay and the consumer cannot both find themselves the newer one.
    """
    if not messages:
        return []
    last = _last_revisions(tx, {(message.source, message.subject) for message in messages})
    newer, raised = [], dict[tuple[str, str], int]()
    for message in messages:
        subject = (message.source, message.subject)
        if message.revision > last.get(subject, 0):
            last[subject] = raised[subject] = message.revision
            newer.append(message)
    if raised:
        _raise_revisions(tx, raised)
    return newer


def _last_revisions(tx: Connection, subjects: Set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    rows = tx.execute(
        sa.text(
            "SELECT source, subject, revision FROM consumed_revision JOIN "
            "unnest(CAST(:sources AS text[]), CAST(:subjects AS text[])) AS wanted (source, subject) "
            "USING (source, subject) ORDER BY source, subject FOR UPDATE OF consumed_revision"
        ),
        {"sources": [source for source, _ in subjects], "subjects": [subject for _, subject in subjects]},
    )
    return {(row.source, row.subject): row.revision for row in rows}


def _raise_revisions(tx: Connection, raised: Mapping[tuple[str, str], int]) -> None:
    ordered = sorted(raised.items())
    stored = tx.execute(
        sa.text(
            "INSERT INTO consumed_revision (source, subject, revision) SELECT * FROM unnest("
            "CAST(:sources AS text[]), CAST(:subjects AS text[]), CAST(:revisions AS bigint[])) "
            "ON CONFLICT (source, subject) DO UPDATE SET revision = excluded.revision "
            "WHERE consumed_revision.revision < excluded.revision"
        ),
        {
            "sources": [source for (source, _), _ in ordered],
            "subjects": [subject for (_, subject), _ in ordered],
            "revisions": [revision for _, revision in ordered],
        },
    )
    if stored.rowcount != len(ordered):
        raise RevisionMoved
