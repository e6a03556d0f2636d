"""Venues with their capacity, and who went in and out of each, by the city's day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.ids import uuid7_floor
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.venues import Movement, Occupancy, Venue
from services.checkpoints.store.history import ID_APART_MAX, clock_off_between
from services.checkpoints.store.planning import plan_once

_SINCE = "s.scan_id >= :from_id"
_SINCE_OR_CLOCK_OFF = f"({_SINCE} OR s.scan_id = ANY(:clock_off))"
# `OFFSET 0`: by person first. Those asked for are left out, since the caller knows them.
_OTHERS = """
SELECT o.person_ref, v.venue, o.scanned_at, o.scan_id, o.recorded_at, o.is_in
FROM (
    SELECT s.person_ref, s.checkpoint_id, s.scanned_at, s.scan_id, s.recorded_at, s.direction = 'in' AS is_in
    FROM scan AS s
    WHERE s.person_ref = ANY(:persons) AND s.scanned_at >= :from_at AND s.scanned_at < :to_at AND {since}
    AND s.scan_id <> ALL(:known) AND NOT s.is_self_reported AND s.repeat_of IS NULL
    AND (s.direction = 'out' OR s.direction = 'in' AND coalesce(s.offline_decision, s.decision) <> 'stop')
    OFFSET 0
) AS o JOIN checkpoint_version AS v ON v.checkpoint_id = o.checkpoint_id
    AND v.holds_from <= o.scanned_at AND o.scanned_at < v.holds_until
WHERE v.venue = ANY(:venues)
"""
_VENUES = sa.text("""
SELECT v.venue FROM unnest(CAST(:places AS uuid[]), CAST(:times AS timestamptz[])) WITH ORDINALITY AS m (place, at, n)
JOIN checkpoint_version AS v ON v.checkpoint_id = m.place AND v.holds_from <= m.at AND m.at < v.holds_until ORDER BY m.n
""")
_ADD = sa.text("""
INSERT INTO venue_count AS c (venue, day, entered, departed)
SELECT venue, :day, entered, departed
FROM unnest(CAST(:venues AS text[]), CAST(:entered AS integer[]), CAST(:departed AS integer[]))
     AS n (venue, entered, departed) ORDER BY venue
ON CONFLICT (venue, day) DO UPDATE SET entered = c.entered + excluded.entered, departed = c.departed + excluded.departed
""")
_OPEN = sa.text("""
INSERT INTO venue_count (venue, day, entered, departed) SELECT unnest(CAST(:venues AS text[])), :day, 0, 0
ON CONFLICT DO NOTHING
""")
_COUNT = sa.text("""
UPDATE venue_count AS c SET entered = c.entered + n.entered, departed = c.departed + n.departed,
                            strangers = greatest(c.strangers + n.net, n.at_least)
FROM (SELECT * FROM unnest(CAST(:venues AS text[]), CAST(:entered AS integer[]), CAST(:departed AS integer[]),
                           CAST(:net AS integer[]), CAST(:at_least AS integer[]))
      AS n (venue, entered, departed, net, at_least) ORDER BY venue) AS n
WHERE c.venue = n.venue AND c.day = :day
""")

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Moved:
    """What happened at a venue since it was counted last; `strangers` as (net, at least)."""

    entered: int
    departed: int
    strangers: tuple[int, int]


def others(tx: Connection, of: Sequence[Movement], day: Span) -> list[Movement]:
    """The other movements of these people at these venues on one day of the city."""
    from_at, to_at = day
    clock_off = clock_off_between(tx, from_at, to_at)
    asked = {
        "persons": list({each.person_ref for each in of}),
        "venues": list({each.venue for each in of}),
        "known": [each.scan_id for each in of],
        "from_at": from_at,
        "to_at": to_at,
        "from_id": uuid7_floor(from_at - ID_APART_MAX),
    }
    if clock_off:
        asked["clock_off"] = clock_off
    plan_once(tx)
    since = _SINCE_OR_CLOCK_OFF if clock_off else _SINCE
    return [Movement(*row) for row in tx.execute(sa.text(_OTHERS.format(since=since)), asked)]


def venues_of(tx: Connection, scans: Sequence[ScanFact]) -> list[str]:
    """The venue of each scan's checkpoint then; empty for one at none."""
    asked = {"places": [scan.checkpoint_id for scan in scans], "times": [scan.scanned_at for scan in scans]}
    return list(tx.execute(_VENUES, asked).scalars())


def count(tx: Connection, day: date, moved: Mapping[str, Moved]) -> None:
    names = sorted(moved)
    counted = {
        "day": day,
        "venues": names,
        "entered": [moved[name].entered for name in names],
        "departed": [moved[name].departed for name in names],
    }
    if not any(any(each.strangers) for each in moved.values()):
        tx.execute(_ADD, counted)
        return
    tx.execute(_OPEN, {"venues": names, "day": day})
    strangers = {
        "net": [moved[name].strangers[0] for name in names],
        "at_least": [moved[name].strangers[1] for name in names],
    }
    tx.execute(_COUNT, counted | strangers)


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
    counted = sa.text("SELECT entered, departed, strangers FROM venue_count WHERE venue = :venue AND day = :day")
    row = tx.execute(counted, {"venue": venue, "day": day}).one_or_none()
    return Occupancy(venue, day, *(row or (0, 0)))


def checkpoints_of(tx: Connection, venue: str, at: datetime) -> Sequence[tuple[UUID, str]]:
    """The checkpoints that stand at a venue, each with its area; by area."""
    found = sa.text(
        "SELECT checkpoint_id, area FROM checkpoint_version WHERE venue = :venue AND venue <> '' "
        "AND holds_from <= :at AND :at < holds_until AND stage <> 'merged' ORDER BY area, checkpoint_id"
    )
    return [(checkpoint_id, area) for checkpoint_id, area in tx.execute(found, {"venue": venue, "at": at})]


def areas_from(
    tx: Connection, names: Collection[str], at: datetime, *, besides: Collection[UUID] = ()
) -> dict[str, set[str]]:
    """By venue the areas of the checkpoints that stand at it then or later, except some."""
    found = sa.text(
        "SELECT DISTINCT venue, area FROM checkpoint_version WHERE venue = ANY(:names) AND venue <> '' "
        "AND :at < holds_until AND stage <> 'merged' AND checkpoint_id <> ALL(:besides)"
    )
    areas: dict[str, set[str]] = defaultdict(set)
    for venue, area in tx.execute(found, {"names": list(names), "at": at, "besides": list(besides)}):
        areas[venue].add(area)
    return areas


def lock_joining(tx: Connection) -> None:
    """Checkpoints join venues one transaction at a time: two at once would not see that they join the same."""
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('venues'))"))
