"""What others were told of the definitions: each at a revision that rises when its words change in the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from services.ledger.domain.definition import Definition
from services.ledger.domain.happenings import LedgerDefined

_LOCK = sa.text("LOCK TABLE told_definition IN SHARE ROW EXCLUSIVE MODE")
_KNOWN = sa.text("SELECT definition, revision, digest FROM told_definition")
_SET = sa.text(
    "INSERT INTO told_definition (definition, revision, digest) VALUES (:definition, :revision, :digest) "
    "ON CONFLICT (definition) DO UPDATE SET revision = excluded.revision, digest = excluded.digest"
)


def untold(tx: Connection, definitions: Sequence[Definition], now: datetime) -> list[LedgerDefined]:
    """The definitions that are new or changed, recorded as told: to be put into the outbox in the same transaction."""
    tx.execute(_LOCK)
    known = {row.definition: (row.revision, row.digest) for row in tx.execute(_KNOWN)}
    happenings = []
    for each in definitions:
        revision, digest = known.get(each.name, (0, b""))
        if digest == _digest(each):
            continue
        tx.execute(_SET, {"definition": each.name, "revision": revision + 1, "digest": _digest(each)})
        happenings.append(LedgerDefined(each, revision + 1, now))
    return happenings


def told(tx: Connection, definitions: Sequence[Definition], now: datetime) -> list[LedgerDefined]:
    """Those that were told before, at their present revision, for readers that lost a part of the log."""
    tx.execute(_LOCK)
    revisions = {row.definition: row.revision for row in tx.execute(_KNOWN)}
    return [LedgerDefined(each, revisions[each.name], now) for each in definitions if each.name in revisions]


def _digest(of: Definition) -> bytes:
    """Of what the event says, so that a rule that changes is no change here."""
    stages = [(name, stage.title.zh, stage.title.en, stage.is_final) for name, stage in of.stages.items()]
    said = [of.name, of.valid_from.isoformat(), of.strength, of.title.zh, of.title.en, stages]
    return hashlib.sha256(json.dumps(said).encode()).digest()
