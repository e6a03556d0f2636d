"""Count who is inside each venue, off the path, and tell when one is full and when it is free again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from services.checkpoints.domain.errors import VenueUnknown
from services.checkpoints.domain.events import VenueFree, VenueFull
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.venues import Movement, Occupancy, Venue, beside, counts, crossings, strangers_after
from services.checkpoints.store import venues
from services.checkpoints.trace import Tell


class Venues:
    def __init__(self, tell: Tell, zone: ZoneInfo) -> None:
        self._tell, self._zone = tell, zone

    def take_scans(self, tx: Connection, scans: Sequence[ScanFact], now: datetime) -> None:
        """Count those that move somebody; each once, since the consumer takes each event once."""
        by_day: dict[date, list[ScanFact]] = defaultdict(list)
        for scan in scans:
            if counts(scan):
                by_day[scan.scanned_at.astimezone(self._zone).date()].append(scan)
        touched: set[str] = set()
        for day, of_day in sorted(by_day.items()):
            touched |= self._count(tx, day, of_day)
        self._tell_crossings(tx, touched, now)

    def _count(self, tx: Connection, day: date, scans: Sequence[ScanFact]) -> set[str]:
        """The venues that were touched on a day."""
        at_venues = [
            (scan, venue) for scan, venue in zip(scans, venues.venues_of(tx, scans), strict=True) if venue != ""
        ]
        known = [
            Movement(scan.person_ref, venue, scan.scanned_at, scan.scan_id, scan.recorded_at, scan.direction == "in")
            for scan, venue in at_venues
            if scan.person_ref is not None
        ]
        entered, departed, strangers = Counter[str](), Counter[str](), defaultdict[str, list[bool]](list)
        start = datetime.combine(day, time(), self._zone)
        others = venues.others(tx, known, (start, start + timedelta(days=1))) if known else []
        for movement, before, after in beside(known, others):
            more = crossings(before, movement.is_in, after)
            entered[movement.venue] += more[0]
            departed[movement.venue] += more[1]
        for scan, venue in sorted(at_venues, key=lambda each: each[0].scanned_at):
            if scan.person_ref is None:
                strangers[venue].append(scan.direction == "in")
        moved = {
            venue: venues.Moved(entered[venue], departed[venue], strangers_after(strangers[venue]))
            for venue in entered.keys() | strangers.keys()
        }
        if moved:
            venues.count(tx, day, moved)
        return set(moved)

    def set_capacity(self, tx: Connection, venue: str, capacity: int, *, by: str, now: datetime) -> Occupancy:
        """Raises `VenueUnknown`."""
        if not venues.checkpoints_of(tx, venue, now):
            raise VenueUnknown()
        venues.put(tx, venue, capacity, by=by, at=now)
        self._tell_crossings(tx, [venue], now)
        return self.occupancy(tx, venue, now)

    def occupancy(self, tx: Connection, venue: str, now: datetime) -> Occupancy:
        """Of the city's day so far."""
        return venues.occupancy(tx, venue, now.astimezone(self._zone).date())

    def turn_day(self, tx: Connection, now: datetime) -> None:
        """A venue that was full when the day ended is free, unless it is full again already."""
        self._tell_crossings(tx, venues.full_before(tx, now.astimezone(self._zone).date()), now)

    def _tell_crossings(self, tx: Connection, names: Collection[str], now: datetime) -> None:
        """Full and free are told once each time the limit is crossed."""
        for venue in venues.lock(tx, names):
            occupancy = self.occupancy(tx, venue.venue, now)
            is_full = occupancy.inside >= venue.capacity
            if is_full == (venue.full_on is not None):
                if is_full and venue.full_on != occupancy.day:
                    venues.mark(tx, replace(venue, full_on=occupancy.day))
                continue
            crossed = replace(venue, full_on=occupancy.day if is_full else None, revision=venue.revision + 1)
            venues.mark(tx, crossed)
            self._tell(tx, [self._crossing(tx, crossed, occupancy, now)])

    def _crossing(self, tx: Connection, venue: Venue, occupancy: Occupancy, now: datetime) -> VenueFull | VenueFree:
        area = next((area for _, area in venues.checkpoints_of(tx, venue.venue, now)), "")
        kind = VenueFree if venue.full_on is None else VenueFull
        return kind(venue, occupancy, area, now)
