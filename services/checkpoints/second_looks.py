"""What only shows once scans are recorded: a pass that was used twice, an offline gate that had decided otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from chassis.clock import Clock
from services.checkpoints.domain.events import OfflineDecisionDiffered, PassReused
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.keeping import told_still
from services.checkpoints.domain.life import holding
from services.checkpoints.domain.reuse import (
    Place,
    ReuseRule,
    Sighting,
    UseKey,
    distance_m,
    is_out_of_reach,
    is_repeat,
)
from services.checkpoints.domain.scans import Refusal
from services.checkpoints.positions import Positions
from services.checkpoints.store import lives, second_looks
from services.checkpoints.trace import Tell

TakeScans = Callable[[Connection, Sequence[ScanFact]], None]
_PLACES_KEPT = timedelta(seconds=30)


class OfflineDifferences:
    """Tells where a gate without a network decided otherwise: the server's decision stands beside what was taken.

    Of a scan whose person arrived later it is told again, with the person.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def take_scans(self, tx: Connection, scans: Sequence[ScanFact]) -> None:
        differing = [scan for scan in scans if scan.is_decided_otherwise_offline()]
        if differing:
            taken = second_looks.taken_offline(tx, [scan.scan_id for scan in differing])
            self._tell(tx, [OfflineDecisionDiffered(scan, taken[scan.scan_id]) for scan in differing])


class Reuses:
    """Tells which passes were used twice (reuse.py): a shown one that had let somebody in, and any at two gates that no
    one can reach in the time between.

    In the ordinary case memory answers: all scans come past here. The table is asked about what memory cannot know: a
    scan that was uploaded late, one that the scan path refused for its reuse, and the first minutes after a start.
    """

    def __init__(
        self, rule: ReuseRule, positions: Positions, tell: Tell, *, started_at: datetime, sightings_max: int = 100_000
    ) -> None:
        self._rule, self._positions, self._tell, self._sightings_max = rule, positions, tell, sightings_max
        self._within = timedelta(seconds=rule.remember_s)
        self._warm_at = started_at + self._within
        self._newest_s, self._until_s = 0.0, 0.0
        self._young: dict[tuple[int, int], Sighting] = {}
        self._old: dict[tuple[int, int], Sighting] = {}
        self._young_uses: dict[UseKey, Sighting] = {}
        self._old_uses: dict[UseKey, Sighting] = {}
        self._places: dict[UUID, Place] = {}
        self._places_until: datetime | None = None

    def take_scans(self, tx: Connection, scans: Sequence[ScanFact]) -> None:
        scans = [scan for scan in scans if scan.is_use_of_a_pass() and scan.repeat_of is None]
        shown = [scan for scan in scans if scan.revision == 1]
        late = [scan for scan in scans if scan.revision == 2 and self._is_late(scan)]
        self._read_places(tx, [*shown, *late])
        found: list[PassReused] = []
        unknown: list[ScanFact] = late
        for scan in shown:
            here = self._sighting(scan)
            last, is_possible = self._remember((scan.list or 0, scan.idx or 0), here)
            used = self._use_before(scan, here)
            if used is not None:
                found.append(self._reuse(scan, here, used))
            elif last is not None and not is_possible:
                found.append(self._reuse(scan, here, last))
            elif self._is_late(scan) or self._is_beyond_memory(scan, last):
                unknown.append(scan)
        found += self._look_up(tx, unknown)
        self._tell(tx, found)

    def _is_late(self, scan: ScanFact) -> bool:
        """Older than what memory still holds; `newest` follows the scans, not the clock."""
        return scan.scanned_at.timestamp() < self._newest_s - self._rule.remember_s

    def _is_beyond_memory(self, scan: ScanFact, last: Sighting | None) -> bool:
        is_repeated = last is not None and last.scan_id == scan.scan_id
        is_cold = last is None and scan.recorded_at < self._warm_at
        return is_repeated or is_cold or scan.refusal == Refusal.PASS_REUSED

    def _remember(self, key: tuple[int, int], here: Sighting) -> tuple[Sighting | None, bool]:
        """The sighting of a pass that was known before, and whether somebody can have come from there.

        The newest sighting is kept. One that nobody can have come to does not take the place of the one before.
        """
        self._newest_s = max(self._newest_s, here.at_s)
        if self._newest_s > self._until_s or len(self._young) >= self._sightings_max:
            self._old, self._young, self._until_s = self._young, {}, self._newest_s + self._rule.remember_s
            self._old_uses, self._young_uses = self._young_uses, {}
        last = self._young.get(key) or self._old.get(key)
        is_possible = last is None or not is_out_of_reach(self._rule, here, last)
        if last is None or (is_possible and here.at_s >= last.at_s):
            self._young[key] = here
        return last, is_possible

    def _use_before(self, scan: ScanFact, here: Sighting) -> Sighting | None:
        """Who was let in with this shown pass before; where nobody was, this scan may be the first."""
        key = scan.use_key()
        if key is None:
            return None
        used = self._young_uses.get(key) or self._old_uses.get(key)
        if used is None or used.scan_id == scan.scan_id:
            if scan.has_let_in():
                self._young_uses[key] = here
            return None
        return None if is_repeat(here, used) else used

    def _look_up(self, tx: Connection, scans: Sequence[ScanFact]) -> Iterable[PassReused]:
        by_id = {scan.scan_id: scan for scan in scans}
        uses = second_looks.other_uses(tx, scans, self._within)
        self._know_places(tx, {use.checkpoint_id: use.scanned_at for use in uses})
        for use in uses:
            scan = by_id[use.of_scan]
            here = self._sighting(scan)
            other = Sighting(use.scan_id, self._places[use.checkpoint_id], use.scanned_at.timestamp())
            is_used_up = use.key is not None and use.key == scan.use_key() and not is_repeat(here, other)
            if is_used_up or is_out_of_reach(self._rule, here, other):
                yield self._reuse(scan, here, other)

    def _sighting(self, scan: ScanFact) -> Sighting:
        return Sighting(scan.scan_id, self._places[scan.checkpoint_id], scan.scanned_at.timestamp())

    @staticmethod
    def _reuse(scan: ScanFact, here: Sighting, other: Sighting) -> PassReused:
        return PassReused(scan, other, abs(here.at_s - other.at_s), distance_m(here.place, other.place))

    def _read_places(self, tx: Connection, scans: Sequence[ScanFact]) -> None:
        """Where the scans were taken; a checkpoint that moves is read again after half a minute."""
        newest = max((scan.recorded_at for scan in scans), default=None)
        if newest is not None and (self._places_until is None or newest > self._places_until):
            self._places, self._places_until = {}, newest + _PLACES_KEPT
        self._know_places(tx, {scan.checkpoint_id: scan.scanned_at for scan in scans})

    def _know_places(self, tx: Connection, wanted: dict[UUID, datetime]) -> None:
        missing = {checkpoint_id: at for checkpoint_id, at in wanted.items() if checkpoint_id not in self._places}
        if missing:
            self._places |= {checkpoint_id: Place(checkpoint_id, "", "") for checkpoint_id in missing}
            for versions in lives.timelines(tx, missing):
                checkpoint_id = versions[0].checkpoint_id
                self._places[checkpoint_id] = self._positions.of(holding(versions, missing[checkpoint_id]))


def of_the_last_days(take: TakeScans, clock: Clock) -> TakeScans:
    """Only of scans of which something may still be told."""
    return lambda tx, scans: take(tx, told_still(scans, clock()))


def one_after_the_other(*takers: TakeScans) -> TakeScans:
    """All that is done with recorded scans, in one transaction."""

    def take_scans(tx: Connection, scans: Sequence[ScanFact]) -> None:
        for take in takers:
            take(tx, scans)

    return take_scans
