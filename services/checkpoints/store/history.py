"""Scans read back: of a person, of a checkpoint, and counted for the live figures.

A query by time also bounds `scan_id`, whose time lies within five minutes of `scanned_at`, so that it prunes days.
Scans that the server dated, because the gate's clock was off, are looked for by their ids besides.
A scan is read with its checkpoint as that was then (`checkpoint_version`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from chassis.ids import uuid7_floor
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.keeping import TOLD_LATE
from services.checkpoints.store.planning import planned_with_values

ID_APART_MAX = timedelta(minutes=5, milliseconds=1)
PULSE_SLOT_S = 5
_HISTORY = """
SELECT s.scan_id, s.person_ref, s.checkpoint_id, s.scanned_at, s.recorded_at, s.decision, s.colour, s.refusal,
       s.direction, s.temperature_c, s.policy_version, s.board_revision, s.vehicle_ref, s.is_self_reported,
       s.repeat_of, s.gate_said_at
FROM scan AS s JOIN checkpoint_version AS c ON c.checkpoint_id = s.checkpoint_id
     AND s.scanned_at >= c.holds_from AND s.scanned_at < c.holds_until
WHERE {of} AND s.scanned_at >= :from_at AND s.scanned_at < :to_at
  AND {ids}
  AND starts_with(c.area, :area)
  AND (CAST(:after_at AS timestamptz) IS NULL OR (s.scanned_at, s.scan_id) > (:after_at, CAST(:after_id AS uuid)))
ORDER BY s.scanned_at, s.scan_id LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, a subtree of the area tree, and the place (time, scan) to go on after."""

    from_at: datetime
    to_at: datetime
    area: str
    after: tuple[datetime, UUID] | None
    limit: int

    def parameters(self) -> dict[str, object]:
        after_at, after_id = self.after or (None, None)
        return {
            "from_at": self.from_at,
            "to_at": self.to_at,
            "from_id": uuid7_floor(self.from_at - ID_APART_MAX),
            "to_id": uuid7_floor(self.to_at + ID_APART_MAX),
            "area": self.area,
            "after_at": after_at,
            "after_id": after_id,
            "limit": self.limit,
        }


def of_person(tx: Connection, person_ref: UUID, span: Span) -> Sequence[RowMapping]:
    return _page(tx, "s.person_ref = :of", person_ref, span)


def of_checkpoint(tx: Connection, checkpoint_id: UUID, span: Span) -> Sequence[RowMapping]:
    return _page(tx, "s.checkpoint_id = :of", checkpoint_id, span)


def _page(tx: Connection, where: str, of: UUID, span: Span) -> Sequence[RowMapping]:
    clock_off = clock_off_between(tx, span.from_at, span.to_at)
    statement = sa.text(_HISTORY.format(of=where, ids=bound_of_ids(clock_off)))
    with planned_with_values(tx):
        return tx.execute(statement, {"of": of, "clock_off": clock_off, **span.parameters()}).mappings().all()


def bound_of_ids(clock_off: Sequence[UUID]) -> str:
    """Which days are looked into; hardly ever is any clock off, and then nothing more is asked."""
    bound = "s.scan_id >= :from_id AND s.scan_id < :to_id"
    return f"({bound} OR s.scan_id = ANY(:clock_off))" if clock_off else bound


def clock_off_between(tx: Connection, from_at: datetime, to_at: datetime) -> list[UUID]:
    """Scans of that time whose ids have another: the gate's clock was off, and the server dated them."""
    found = sa.text("SELECT scan_id FROM scan_with_clock_off WHERE scanned_at BETWEEN :from_at AND :to_at")
    return list(tx.execute(found, {"from_at": from_at, "to_at": to_at}).scalars())


# -- counting --------------------------------------------------------------------------------------------------------


def add_to_tally(tx: Connection, counts: Mapping[tuple[date, UUID, str, str], int]) -> None:
    _add_counts(tx, "scan_tally", "day", "date", counts)


def add_to_pulse(tx: Connection, counts: Mapping[tuple[datetime, UUID, str, str], int]) -> None:
    """Counts by slot of `PULSE_SLOT_S` seconds of the time of recording."""
    _add_counts(tx, "scan_pulse", "slot", "timestamptz", counts)


def _add_counts(tx: Connection, table: str, when: str, kind: str, counts: Mapping[tuple[Any, ...], int]) -> None:
    ordered = sorted(counts.items(), key=lambda item: tuple(map(str, item[0])))
    if not ordered:
        return
    whens, checkpoints, decisions, colours = zip(*(key for key, _ in ordered), strict=True)
    tx.execute(
        sa.text(
            f"INSERT INTO {table} ({when}, checkpoint_id, decision, colour, scans) "  # noqa: S608 (our own names)
            f"SELECT * FROM unnest(CAST(:whens AS {kind}[]), CAST(:checkpoints AS uuid[]), "
            f"CAST(:decisions AS text[]), CAST(:colours AS text[]), CAST(:scans AS bigint[])) "
            f"ON CONFLICT ({when}, checkpoint_id, decision, colour) "
            f"DO UPDATE SET scans = {table}.scans + excluded.scans"
        ),
        {
            "whens": list(whens),
            "checkpoints": list(checkpoints),
            "decisions": list(decisions),
            "colours": list(colours),
            "scans": [count for _, count in ordered],
        },
    )


def tally_of_day(tx: Connection, day: date, area: str) -> Sequence[Any]:
    return tx.execute(
        sa.text(
            "SELECT c.checkpoint_id, c.kind, c.name, c.area, t.decision, t.colour, t.scans "
            "FROM scan_tally AS t JOIN checkpoint AS c USING (checkpoint_id) "
            "WHERE t.day = :day AND starts_with(c.area, :area)"
        ),
        {"day": day, "area": area},
    ).all()


def pulse_since(tx: Connection, since: datetime, area: str) -> Sequence[Any]:
    return tx.execute(
        sa.text(
            "SELECT c.checkpoint_id, c.kind, c.name, c.area, p.decision, p.colour, sum(p.scans)::bigint AS scans "
            "FROM scan_pulse AS p JOIN checkpoint AS c USING (checkpoint_id) "
            "WHERE p.slot >= :since AND starts_with(c.area, :area) GROUP BY 1, 2, 3, 4, 5, 6"
        ),
        {"since": since, "area": area},
    ).all()


def trim(tx: Connection, now: datetime) -> None:
    """Forget the pulse of an hour ago."""
    tx.execute(sa.text("DELETE FROM scan_pulse WHERE slot < :before"), {"before": now - timedelta(hours=1)})


# -- scans whose person arrived later ----------------------------------------------------------------------------------

_MISSING = """
SELECT s.scan_id, h.person_ref FROM scan AS s JOIN holder AS h ON h.list = s.list AND h.idx = s.idx
WHERE s.person_ref IS NULL AND s.list IS NOT NULL AND s.scan_id >= :from_id
ORDER BY s.scan_id LIMIT :limit FOR UPDATE OF s SKIP LOCKED
"""
_FILL = """
UPDATE scan AS s SET person_ref = m.person_ref
FROM unnest(CAST(:scan_ids AS uuid[]), CAST(:person_refs AS uuid[])) AS m (scan_id, person_ref), checkpoint_version AS c
WHERE s.scan_id = m.scan_id AND s.scan_id >= :from_id AND s.person_ref IS NULL AND c.checkpoint_id = s.checkpoint_id
  AND s.scanned_at >= c.holds_from AND s.scanned_at < c.holds_until
RETURNING s.scan_id, s.checkpoint_id, c.kind, c.area, s.scanned_at, s.recorded_at, s.decision, s.colour,
          coalesce(s.refusal, '') AS refusal, s.policy_version, s.board_revision,
          coalesce(s.direction, '') AS direction, s.temperature_c, s.list, s.idx, s.person_ref, s.vehicle_ref,
          coalesce(s.offline_decision, '') AS offline_decision, s.is_self_reported, 2 AS revision,
          s.pass_iat, s.repeat_of, s.gate_said_at
"""


def fill_persons(tx: Connection, now: datetime, *, limit: int = 1000) -> list[ScanFact]:
    """Give scans of the last days the person of their entry where he was not known yet; which.

    Looked for with the bound in the plan: days that do not matter are not opened, and mostly there is nothing to do.
    """
    from_id = uuid7_floor(now - TOLD_LATE)
    with planned_with_values(tx):
        missing = tx.execute(sa.text(_MISSING), {"from_id": from_id, "limit": limit}).all()
        if not missing:
            return []
        scan_ids, person_refs = (list(column) for column in zip(*missing, strict=True))
        filled = {"scan_ids": scan_ids, "person_refs": person_refs, "from_id": from_id}
        return [ScanFact(**row) for row in tx.execute(sa.text(_FILL), filled).mappings()]
