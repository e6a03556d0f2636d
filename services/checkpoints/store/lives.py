"""The life of checkpoints as stored: what was ordered, and the versions that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from services.checkpoints.domain.life import (
    SUCCESSORS_MAX,
    Change,
    ChangeKind,
    Timeline,
    holding,
    version_of,
    way_of,
)
from services.checkpoints.domain.scans import Checkpoint

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
REGISTERED, PLANNED = "register", "plan"
"""The first line of a life: open since ever, or open from a set time on."""

_COMMIT_LAG = timedelta(seconds=10)
"""`changed_at` is taken before the commit: each look begins this much before the last."""
_VERSIONS = """
SELECT v.checkpoint_id, v.kind, v.name, v.venue, v.area, c.venue_code, c.revision, v.stage, v.successor, v.holds_from
FROM checkpoint AS c JOIN checkpoint_version AS v USING (checkpoint_id) WHERE {which}
ORDER BY v.checkpoint_id, v.holds_from
"""
_CHANGES = """
SELECT checkpoint_id, number, change, holds_from, ordered_by, ordered_at, reason, kind, name, venue, area, successor,
       withdraws
FROM checkpoint_change WHERE checkpoint_id = ANY(:ids) ORDER BY checkpoint_id, number
"""


def timelines(tx: Connection, ids: Collection[UUID]) -> list[Timeline]:
    return _timelines(tx.execute(sa.text(_VERSIONS.format(which="v.checkpoint_id = ANY(:ids)")), {"ids": list(ids)}))


def changed_since(tx: Connection, since: datetime | None) -> tuple[list[Timeline], datetime]:
    """The checkpoints changed since about a moment (None: all), and the moment to ask about next time."""
    asked_at: datetime = tx.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    which = "CAST(:since AS timestamptz) IS NULL OR c.changed_at >= :since"
    rows = tx.execute(sa.text(_VERSIONS.format(which=which)), {"since": since and since - _COMMIT_LAG})
    return _timelines(rows), asked_at


def _timelines(rows: Iterable[Any]) -> list[Timeline]:
    versions: dict[UUID, list[Checkpoint]] = defaultdict(list)
    for row in rows:
        versions[row.checkpoint_id].append(version_of(row))
    return [tuple(each) for each in versions.values()]


def holding_at(tx: Connection, checkpoint_id: UUID, at: datetime) -> Checkpoint | None:
    which = "v.checkpoint_id = :id AND v.holds_from <= :at AND :at < v.holds_until"
    row = tx.execute(sa.text(_VERSIONS.format(which=which)), {"id": checkpoint_id, "at": at}).one_or_none()
    return None if row is None else version_of(row)


def ways(tx: Connection, ids: Collection[UUID], at: datetime) -> dict[UUID, tuple[Checkpoint, ...]]:
    """Of each that is registered: itself as it was at a moment, and what it was merged into by then, the taker last."""
    held: dict[UUID, Checkpoint] = {}
    fresh = set(ids)
    for _ in range(SUCCESSORS_MAX + 1):
        if not fresh:
            break
        held |= {versions[0].checkpoint_id: holding(versions, at) for versions in timelines(tx, fresh)}
        fresh = {each.successor for each in held.values() if each.successor is not None} - held.keys()
    return {checkpoint_id: way_of(checkpoint_id, held) for checkpoint_id in set(ids) & held.keys()}


def all_holding_at(tx: Connection, at: datetime) -> list[Checkpoint]:
    rows = tx.execute(sa.text(_VERSIONS.format(which="v.holds_from <= :at AND :at < v.holds_until")), {"at": at})
    return [version_of(row) for row in rows]


def listed(
    tx: Connection,
    *,
    area: str,
    kind: str | None,
    only: Collection[UUID] | None,
    after: UUID | None,
    at: datetime,
    limit: int,
) -> list[Checkpoint]:
    """Checkpoints as they hold at a moment within a subtree, by identifier; of a kind, among some, where asked so."""
    which = (
        "v.holds_from <= :at AND :at < v.holds_until AND starts_with(v.area, :area) "
        "AND (CAST(:kind AS text) IS NULL OR v.kind = :kind) "
        "AND (CAST(:after AS uuid) IS NULL OR v.checkpoint_id > :after) "
        "AND (CAST(:only AS uuid[]) IS NULL OR v.checkpoint_id = ANY(:only))"
    )
    rows = tx.execute(
        sa.text(_VERSIONS.format(which=which) + "LIMIT :limit"),
        {
            "at": at,
            "area": area,
            "kind": kind,
            "after": after,
            "only": None if only is None else list(only),
            "limit": limit,
        },
    )
    return [version_of(row) for row in rows]


def lock(tx: Connection, ids: Iterable[UUID]) -> dict[UUID, int]:
    """Keep the checkpoints from changing until the transaction ends, in ascending order; the revision of each."""
    rows = tx.execute(
        sa.text(
            "SELECT checkpoint_id, revision FROM checkpoint WHERE checkpoint_id = ANY(:ids) "
            "ORDER BY checkpoint_id FOR UPDATE"
        ),
        {"ids": list(set(ids))},
    )
    return {row.checkpoint_id: row.revision for row in rows}


def lock_mergers(tx: Connection) -> None:
    """One merger is ordered at a time: several at once could make a circle that none of them sees."""
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('mergers'))"))


def lock_due(tx: Connection, now: datetime, checkpoints_max: int) -> list[UUID]:
    """Checkpoints of which a change has come to hold that `checkpoint` does not show yet."""
    rows = tx.execute(
        sa.text(
            "SELECT checkpoint_id FROM checkpoint WHERE next_change_at <= :now ORDER BY checkpoint_id LIMIT :most "
            "FOR UPDATE SKIP LOCKED"
        ),
        {"now": now, "most": checkpoints_max},
    )
    return list(rows.scalars())


def registrations_of(tx: Connection, ids: Collection[UUID]) -> dict[UUID, RowMapping]:
    """The first line of each life, as stored."""
    rows = tx.execute(sa.text(_CHANGES), {"ids": list(ids)}).mappings()
    return {row["checkpoint_id"]: row for row in rows if row["number"] == 1}


def changes_of(tx: Connection, ids: Collection[UUID]) -> dict[UUID, list[Change]]:
    """What was ordered of each after its registration."""
    found: dict[UUID, list[Change]] = defaultdict(list)
    for row in tx.execute(sa.text(_CHANGES), {"ids": list(ids)}):
        if row.number > 1:
            found[row.checkpoint_id].append(Change(row.number, ChangeKind(row.change), *row[3:]))
    return found


def history_of(tx: Connection, checkpoint_id: UUID) -> Sequence[RowMapping]:
    """Every line, the registration first."""
    return tx.execute(sa.text(_CHANGES), {"ids": [checkpoint_id]}).mappings().all()


def add_change(tx: Connection, checkpoint_id: UUID, change: Change) -> None:
    tx.execute(
        sa.text(
            "INSERT INTO checkpoint_change (checkpoint_id, number, change, holds_from, kind, name, venue, area, "
            "successor, withdraws, reason, ordered_by, ordered_at) VALUES (:checkpoint_id, :number, :change, "
            ":holds_from, :kind, :name, :venue, :area, :successor, :withdraws, :reason, :ordered_by, :ordered_at)"
        ),
        {
            "checkpoint_id": checkpoint_id,
            "number": change.number,
            "change": change.change.value,
            "holds_from": change.holds_from,
            "kind": change.kind,
            "name": change.name,
            "venue": change.venue,
            "area": change.area,
            "successor": change.successor,
            "withdraws": change.withdraws,
            "reason": change.reason,
            "ordered_by": change.ordered_by,
            "ordered_at": change.ordered_at,
        },
    )


def replace_versions(tx: Connection, versions: Timeline) -> None:
    """Keep these versions instead of those that were there."""
    tx.execute(sa.text("DELETE FROM checkpoint_version WHERE checkpoint_id = :id"), {"id": versions[0].checkpoint_id})
    ends = [version.holds_from for version in versions[1:]] + [NEVER]
    tx.execute(
        sa.text(
            "INSERT INTO checkpoint_version (checkpoint_id, holds_from, holds_until, stage, kind, name, venue, area, "
            "successor) VALUES (:checkpoint_id, :holds_from, :holds_until, :stage, :kind, :name, :venue, :area, "
            ":successor)"
        ),
        [
            {**_content(version), "holds_from": version.holds_from, "holds_until": until}
            for version, until in zip(versions, ends, strict=True)
        ],
    )


def show(tx: Connection, version: Checkpoint, next_change_at: datetime | None) -> None:
    """Let the checkpoint's own row say what holds, under the version's revision; processes read it again."""
    tx.execute(
        sa.text(
            "UPDATE checkpoint SET stage = :stage, kind = :kind, name = :name, venue = :venue, area = :area, "
            "successor = :successor, revision = :revision, next_change_at = :next_change_at, "
            "changed_at = clock_timestamp() WHERE checkpoint_id = :checkpoint_id"
        ),
        {**_content(version), "revision": version.revision, "next_change_at": next_change_at},
    )


def let_be_read(tx: Connection, ids: Collection[UUID]) -> None:
    """To be the last word of a long transaction: processes read what has changed since shortly before they last looked,
    and a commit that comes long after `changed_at` would be passed over."""
    tx.execute(
        sa.text("UPDATE checkpoint SET changed_at = clock_timestamp() WHERE checkpoint_id = ANY(:ids)"),
        {"ids": list(ids)},
    )


def _content(version: Checkpoint) -> dict[str, object]:
    return {
        "checkpoint_id": version.checkpoint_id,
        "stage": version.stage.value,
        "kind": version.kind,
        "name": version.name,
        "venue": version.venue,
        "area": version.area,
        "successor": version.successor,
    }
