"""What the worker reads again of recorded scans: a pass's other uses, and what a gate had decided by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from chassis.ids import uuid7_floor
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.reuse import UseKey
from services.checkpoints.domain.scans import OfflineDecision
from services.checkpoints.store.planning import plan_once

_ID_APART_MAX = timedelta(minutes=5, milliseconds=1)
# `OFFSET 0` keeps the persons first: joined the other way round, all that the city scanned in this time would be read.
_OTHER_USES = """
SELECT g.scan_id AS of_scan, s.scan_id, s.checkpoint_id, s.scanned_at, s.list, s.idx, s.pass_iat,
       s.direction IS NOT DISTINCT FROM 'out' AS is_out, coalesce(s.offline_decision, s.decision) = 'pass' AS has_let_in
FROM unnest(CAST(:scan_ids AS uuid[]), CAST(:person_refs AS uuid[]), CAST(:lists AS integer[]),
            CAST(:idx AS integer[]), CAST(:ats AS timestamptz[]), CAST(:recorded AS timestamptz[]))
     AS g (scan_id, person_ref, list, idx, at, recorded_at)
CROSS JOIN LATERAL (
    SELECT * FROM scan AS s WHERE s.person_ref = g.person_ref
    AND s.scanned_at BETWEEN g.at - :within AND g.at + :within AND s.scan_id >= :from_id
    OFFSET 0
) AS s
WHERE s.scan_id <> g.scan_id
  AND s.list = g.list AND s.idx = g.idx AND NOT s.is_self_reported AND s.repeat_of IS NULL
  AND (s.recorded_at, s.scan_id) < (g.recorded_at, g.scan_id)
ORDER BY g.scan_id, s.scan_id
"""
_TAKEN = """
SELECT scan_id, offline_decision, offline_refusal, offline_policy_version, offline_list_revision
FROM scan WHERE scan_id = ANY(:scan_ids) AND offline_decision IS NOT NULL
"""
_RECORDED = """
SELECT s.scan_id, s.checkpoint_id, c.kind, c.area, s.scanned_at, s.recorded_at, s.decision, s.colour,
       coalesce(s.refusal, '') AS refusal, s.policy_version, s.board_revision, coalesce(s.direction, '') AS direction,
       s.temperature_c, s.list, s.idx, s.person_ref, s.vehicle_ref,
       coalesce(s.offline_decision, '') AS offline_decision, s.is_self_reported, 1 AS revision, s.digest,
       s.pass_iat, s.repeat_of, s.gate_said_at,
       s.offline_refusal, s.offline_policy_version, s.offline_list_revision
FROM scan AS s JOIN checkpoint_version AS c
  ON c.checkpoint_id = s.checkpoint_id AND s.scanned_at >= c.holds_from AND s.scanned_at < c.holds_until
WHERE s.scan_id = ANY(:scan_ids) ORDER BY s.scan_id FOR UPDATE OF s
"""
_KEEP_TAKEN = """
UPDATE scan SET offline_decision = :decision, offline_refusal = :refusal, offline_policy_version = :policy_version,
                offline_list_revision = :list_revision
WHERE scan_id = :scan_id
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A scan as it stands in the table; `taken` is what its gate had decided alone."""

    fact: ScanFact
    digest: bytes
    taken: OfflineDecision | None


@dataclass(frozen=True, slots=True)
class OtherUse:
    """A scan of the same person's pass, recorded before `of_scan`; `key` where it used a shown one up."""

    of_scan: UUID
    scan_id: UUID
    checkpoint_id: UUID
    scanned_at: datetime
    key: UseKey | None


def other_uses(tx: Connection, scans: Sequence[ScanFact], within: timedelta) -> list[OtherUse]:
    """Where the passes of these scans were shown within a time before or after; of a pair only the later recorded."""
    known = [scan for scan in scans if scan.person_ref is not None]
    if not known:
        return []
    ats = [scan.scanned_at for scan in known]
    asked = {
        "scan_ids": [scan.scan_id for scan in known],
        "person_refs": [scan.person_ref for scan in known],
        "lists": [scan.list for scan in known],
        "idx": [scan.idx for scan in known],
        "ats": ats,
        "recorded": [scan.recorded_at for scan in known],
        "within": within,
        "from_id": uuid7_floor(min(ats) - within - _ID_APART_MAX),
    }
    plan_once(tx)
    rows = tx.execute(sa.text(_OTHER_USES), asked).all()
    return [
        OtherUse(of_scan, scan_id, checkpoint_id, at, (*key, is_out) if has_let_in and key[-1] is not None else None)
        for of_scan, scan_id, checkpoint_id, at, *key, is_out, has_let_in in rows
    ]


def taken_offline(tx: Connection, scan_ids: Iterable[UUID]) -> dict[UUID, OfflineDecision]:
    """What gates had decided by themselves."""
    rows = tx.execute(sa.text(_TAKEN), {"scan_ids": list(scan_ids)})
    return {row[0]: OfflineDecision(*row[1:]) for row in rows}


def lock_recorded(tx: Connection, scan_ids: Iterable[UUID]) -> dict[UUID, Recorded]:
    """The scans as they stand, under lock until the transaction ends."""
    rows = tx.execute(sa.text(_RECORDED), {"scan_ids": list(scan_ids)}).mappings()
    return {row["scan_id"]: _recorded(row) for row in rows}


def keep_taken(tx: Connection, taken: Mapping[UUID, OfflineDecision]) -> None:
    if taken:
        tx.execute(sa.text(_KEEP_TAKEN), [{"scan_id": scan_id, **asdict(each)} for scan_id, each in taken.items()])


def _recorded(row: RowMapping) -> Recorded:
    fact = ScanFact(**{name: row[name] for name in ScanFact.__dataclass_fields__})
    rest = (row["offline_refusal"], row["offline_policy_version"], row["offline_list_revision"])
    taken = OfflineDecision(fact.offline_decision, *rest) if fact.offline_decision else None
    return Recorded(fact, bytes(row["digest"]), taken)
