"""The policies ever published, as they were signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from services.checkpoints.domain.policy import SignedPolicy


@dataclass(frozen=True, slots=True)
class Published:
    """A row of the shelf."""

    version: str
    token: str
    effective_from: datetime
    published_by: str
    published_at: datetime


_SELECT = "SELECT version, token, effective_from, published_by, published_at FROM policy"


def add(tx: Connection, signed: SignedPolicy, *, published_by: str) -> bool:
    """False when the version is taken."""
    added = tx.execute(
        sa.text(
            "INSERT INTO policy (version, token, effective_from, published_by) "
            "VALUES (:version, :token, :effective_from, :published_by) ON CONFLICT (version) DO NOTHING"
        ),
        {
            "version": signed.policy.version,
            "token": signed.token,
            "effective_from": signed.effective_from,
            "published_by": published_by,
        },
    )
    return added.rowcount == 1


def find(tx: Connection, version: str) -> Published | None:
    row = tx.execute(sa.text(f"{_SELECT} WHERE version = :version"), {"version": version}).one_or_none()
    return None if row is None else Published(*row)


def epoch(tx: Connection) -> int:
    """Stands before every revision that gates have believed; 0 while nothing was ever restored."""
    return int(tx.execute(sa.text("SELECT coalesce(max(epoch), 0) FROM policy_epoch")).scalar_one())


def raise_epoch(tx: Connection, now: datetime) -> int:
    """A number that no restore from an older backup can have given before: Unix seconds."""
    raised = sa.text(
        "INSERT INTO policy_epoch (epoch) VALUES (:epoch) ON CONFLICT (only_row) "
        "DO UPDATE SET epoch = greatest(excluded.epoch, policy_epoch.epoch + 1) RETURNING epoch"
    )
    return int(tx.execute(raised, {"epoch": int(now.timestamp())}).scalar_one())


def read_all(tx: Connection) -> Sequence[Published]:
    """In the order in which they take effect."""
    return [Published(*row) for row in tx.execute(sa.text(f"{_SELECT} ORDER BY effective_from, number"))]
