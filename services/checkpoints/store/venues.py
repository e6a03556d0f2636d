"""Venues with their capacity, and who went in and out of each, by the city's day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from services.checkpoints.domain.venues import Occupancy, Venue

Movement = tuple[UUID, datetime, date, bool]
"""(checkpoint, when, the city's day of it, whether in): each tells of one person."""

_COUNT = sa.text("""
INSERT INTO venue_count (venue, day, entered, departed)
SELECT v.venue, m.day, count(*) FILTER (WHERE m.is_in), count(*) FILTER (WHERE NOT m.is_in)
FROM unnest(CAST(:places AS uuid[]), CAST(:times AS timestamptz[]), CAST(:days AS date[]), CAST(:ins AS boolean[]))
     AS m (checkpoint_id, at, day, is_in)
JOIN checkpoint_version AS v ON v.checkpoint_id = m.checkpoint_id AND v.holds_from <= m.at AND m.at < v.holds_until
WHERE v.venue <> '' GROUP BY v.venue, m.day ORDER BY v.venue, m.day
ON CONFLICT (venue, day) DO UPDATE SET entered = venue_count.entered + excluded.entered,
                                       departed = venue_count.departed + excluded.departed
RETURNING venue
""")


def count(tx: Connection, movements: Sequence[Movement]) -> set[str]:
    """Add people who went in or out; the venues that were touched."""
    if not movements:
        return set()
    places, times, days, ins = (list(column) for column in zip(*movements, strict=True))
    return set(tx.execute(_COUNT, {"places": places, "times": times, "days": days, "ins": ins}).scalars())


def lock(tx: Connection, names: Collection[str]) -> list[Venue]:
    """Those that have a capacity, kept from changing until the transaction ends."""
    rows = tx.execute(
        sa.text(
            "SELECT venue, capacity, full_on, revision FROM venue WHERE venue = ANY(:names) ORDER BY venue FOR UPDATE"
        ),
        {"names": list(names)},
    )
    return [Venue(*row) for row in rows]


def full_before(tx: Connection, day: date) -> list[str]:
    """Venues last told full on an earlier day."""
    return list(tx.execute(sa.text("SELECT venue FROM venue WHERE full_on < :day"), {"day": day}).scalars())


def put(tx: Connection, venue: str, capacity: int, *, by: str, at: datetime) -> None:
    tx.execute(
        sa.text(
            "INSERT INTO venue (venue, capacity, set_by, set_at) VALUES (:venue, :capacity, :by, :at) "
            "ON CONFLICT (venue) DO UPDATE SET capacity = excluded.capacity, set_by = excluded.set_by, "
            "set_at = excluded.set_at"
        ),
        {"venue": venue, "capacity": capacity, "by": by, "at": at},
    )


def mark(tx: Connection, venue: Venue) -> None:
    """Remember whether it was told full, and its revision."""
    tx.execute(
        sa.text("UPDATE venue SET full_on = :full_on, revision = :revision WHERE venue = :venue"),
        {"venue": venue.venue, "full_on": venue.full_on, "revision": venue.revision},
    )


def find(tx: Connection, venue: str) -> Venue | None:
    found = sa.text("SELECT venue, capacity, full_on, revision FROM venue WHERE venue = :venue")
    row = tx.execute(found, {"venue": venue}).one_or_none()
    return None if row is None else Venue(*row)


def occupancy(tx: Connection, venue: str, day: date) -> Occupancy:
    counted = sa.text("SELECT entered, departed FROM venue_count WHERE venue = :venue AND day = :day")
    row = tx.execute(counted, {"venue": venue, "day": day}).one_or_none()
    return Occupancy(venue, day, *(row or (0, 0)))


def areas_of(tx: Connection, venue: str, at: datetime) -> Sequence[str]:
    """The areas of the checkpoints that stand at a venue."""
    found = sa.text(
        "SELECT DISTINCT area FROM checkpoint_version WHERE venue = :venue AND venue <> '' "
        "AND holds_from <= :at AND :at < holds_until AND stage <> 'merged' ORDER BY area"
    )
    return list(tx.execute(found, {"venue": venue, "at": at}).scalars())
