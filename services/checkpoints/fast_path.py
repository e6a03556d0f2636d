"""The scan path: what happens while a traveller stands at the gate.

1. read the pass       a forged one costs only CPU, so it is settled first
2. look on the board   memory only; board.py is kept fresh off this path; was the pass just shown elsewhere?
3. decide              pure: domain/admission.py
4. append              the only I/O: scan, its claim on a shown pass, and outbox row, one shared commit, then answer

Budget: one statement a group, counted by tests/integration/checkpoints/test_fast_path_budget.py. Only a document asks
once more, for its holder's entry (and, with a pass beside it, whether that one's holder is known), a vehicle for what
the ids of its people stand for, and a checkpoint that is new to the process (directory.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.clock import Clock
from services.checkpoints.domain.admission import NOBODY, Standing, decide, worst
from services.checkpoints.domain.clocks import on_the_way_s
from services.checkpoints.domain.errors import ScanIdReused, StoreUnavailable
from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.policy import KindPolicy, Say
from services.checkpoints.domain.scans import (
    NO_HOLDERS,
    Attempt,
    Checkpoint,
    Colour,
    Decision,
    Entry,
    Holders,
    Refusal,
    Ruling,
    Scan,
    Use,
)

_TURN = 16
"""Passes read in a row before others get the event loop."""

_WEIGHT = {Colour.UNKNOWN: 0, Colour.LAPSED: 1, Colour.GREEN: 2, Colour.YELLOW: 3, Colour.RED: 4}


class KeyRing(Protocol):
    def read(self, token: str, at: datetime, on_the_way_s: float = 0.0) -> ReadPass | Refusal: ...

    def entry_in(self, token: str) -> Entry | None: ...


class Board(Protocol):
    def standing_of(self, entry: Entry, now_s: float) -> Standing: ...


class Policies(Protocol):
    def of(self, kind: str) -> KindPolicy: ...

    def of_moment(self, kind: str, at: datetime) -> KindPolicy: ...

    def words(self, kind: str, ruling: Ruling) -> Say: ...


class Sightings(Protocol):
    def is_reused(self, entry: Entry, checkpoint: Checkpoint, scanned_at_s: float, now_s: float) -> bool: ...


_Identified = tuple[Entry | None, Refusal | None, int | None]
"""Whose colour counts, or why nobody's does; and of a shown pass when it was issued, in Unix seconds."""

Tell = Callable[[Ruling | Exception], None]
TellAll = Callable[[Sequence[Ruling | Exception]], None]


class ScanLog(Protocol):
    def append_soon(self, scan: Scan, tell: Tell) -> None: ...

    def append_all_soon(self, scans: Sequence[Scan], tell_all: TellAll) -> None: ...

    async def append(self, scan: Scan) -> Ruling: ...

    async def append_all(self, scans: Sequence[Scan]) -> list[Ruling | Exception]: ...


class Directory(Protocol):
    async def holders(self, person_refs: Iterable[UUID], shown: Iterable[Entry]) -> Holders: ...

    def holders_soon(
        self, person_refs: Iterable[UUID], shown: Iterable[Entry], tell: Callable[[Holders | StoreUnavailable], None]
    ) -> None: ...

    async def digests_of(self, scan_ids: Iterable[UUID]) -> Mapping[UUID, bytes]: ...

    async def give_back(self, scans: Iterable[Scan]) -> None: ...


class ScanPath:
    def __init__(
        self,
        *,
        key_ring: KeyRing,
        board: Board,
        policies: Policies,
        scan_log: ScanLog,
        directory: Directory,
        sightings: Sightings,
        clock: Clock,
    ) -> None:
        self._key_ring, self._board, self._policies = key_ring, board, policies
        self._scan_log, self._directory, self._clock = scan_log, directory, clock
        self._sightings = sightings

    def begin_scan(self, attempt: Attempt, checkpoint: Checkpoint, now: datetime, tell: Tell) -> None:
        """One person's scan by pass alone; `tell` is called when it is durable, or cannot be. Raises `Overloaded`."""
        self._scan_log.append_soon(self._settled(attempt, checkpoint, NO_HOLDERS, now), tell)

    def begin_scans(self, attempts: Sequence[tuple[Attempt, Checkpoint]], now: datetime, tell_all: TellAll) -> None:
        """A few people's, by pass or card; `tell_all` is called when all are durable, or with an error each.

        Raises `Overloaded`.
        """
        persons, shown = self._asked_about(attempt for attempt, _ in attempts)
        if not persons:
            return self._append(attempts, NO_HOLDERS, now, tell_all)

        def append(holders: Holders | StoreUnavailable) -> None:
            try:
                if not isinstance(holders, Holders):
                    raise holders
                self._append(attempts, holders, self._clock(), tell_all)
            except Exception as error:
                tell_all([error] * len(attempts))

        return self._directory.holders_soon(persons, shown, append)

    def _append(
        self, attempts: Sequence[tuple[Attempt, Checkpoint]], holders: Holders, now: datetime, tell_all: TellAll
    ) -> None:
        scans = [self._settled(attempt, checkpoint, holders, now) for attempt, checkpoint in attempts]
        self._scan_log.append_all_soon(scans, tell_all)

    async def record_scan(self, attempt: Attempt, checkpoint: Checkpoint) -> Ruling:
        """One person's scan, durable when this returns."""
        holders = await self._holders_of([attempt])
        return await self._scan_log.append(self._settled(attempt, checkpoint, holders, self._clock()))

    async def record_scans(self, attempts: Sequence[tuple[Attempt, Checkpoint]]) -> list[Ruling | Exception]:
        """Many people's scans; per scan its ruling, or why it is not recorded."""
        holders = await self._holders_of(attempt for attempt, _ in attempts)
        now, scans = self._clock(), []
        for number, (attempt, checkpoint) in enumerate(attempts):
            if number % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            scans.append(self._settled(attempt, checkpoint, holders, now))
        return await self._scan_log.append_all(scans)

    async def record_vehicle(self, attempt: Attempt, checkpoint: Checkpoint) -> tuple[Ruling, list[Ruling]]:
        """A vehicle and its people: the strictest ruling of all, and each person's own.

        They go in together or not at all, so passes are used up by a vehicle that is let in.
        The vehicle's record comes first: if its id was used before for something else, nothing is recorded; nor if that
        of one of its people was.
        """
        recorded = await self._directory.digests_of(person.scan_id for person in attempt.people)
        if not all(person.is_recorded_as(recorded.get(person.scan_id, person.digest)) for person in attempt.people):
            raise ScanIdReused()
        holders = await self._holders_of([attempt, *attempt.people])
        now = self._clock()
        own, *people = self._vehicle(attempt, checkpoint, holders, now)
        if attempt.names_nobody():
            own = Scan(attempt, checkpoint, None, worst(person.ruling for person in people))
        is_online = attempt.offline is None
        if is_online and worst(scan.ruling for scan in (own, *people)).decision is not Decision.PASS:
            own, people = _using_nothing(own), [_using_nothing(person) for person in people]
        first = await self._scan_log.append(own)
        rulings = []
        for ruling in await self._scan_log.append_all(people):
            if isinstance(ruling, Exception):
                raise ruling
            rulings.append(ruling)
        told = worst([first, *rulings])
        if is_online and told.decision is not Decision.PASS:
            await self._directory.give_back([own, *people])
        return told, rulings

    def _vehicle(self, attempt: Attempt, checkpoint: Checkpoint, holders: Holders, now: datetime) -> list[Scan]:
        """Its own scan and its people's. Two of them are not one person: the second who shows a pass has a copy."""
        scans, shown = list[Scan](), set[Entry]()
        for each in (attempt, *attempt.people):
            scan = self._settled(each, checkpoint, holders, now)
            entry = None if each.token is None else scan.entry
            if entry in shown:
                scan = self._settled(each, checkpoint, holders, now, is_copy=True)
            shown |= set() if entry is None else {entry}
            scans.append(scan)
        return scans

    def _settled(
        self, attempt: Attempt, checkpoint: Checkpoint, holders: Holders, now: datetime, *, is_copy: bool = False
    ) -> Scan:
        """Steps 1 to 3."""
        entry, fault, shown_at_s = self._identified(attempt, holders, now)
        now_s, is_reused, offline = now.timestamp(), is_copy, attempt.offline
        standing = NOBODY if entry is None else self._board.standing_of(entry, now_s)
        if entry is not None and attempt.is_use_of_a_pass():
            is_reused |= self._sightings.is_reused(entry, checkpoint, attempt.scanned_at.timestamp(), now_s)
            is_reused |= offline is not None and offline.refusal == Refusal.PASS_REUSED
        policy = self._policy_for(attempt, checkpoint)
        admission = decide(
            policy,
            fault=fault,
            standing=standing,
            has_fever=attempt.has_fever(),
            has_no_mask=attempt.mask is False,
            is_reused=is_reused,
            is_revoked=not checkpoint.is_open,
            is_clock_off=attempt.gate_said_at is not None,
        )
        ruling = Ruling(admission.decision, admission.colour, admission.refusal, policy.version, standing.revision, now)
        if shown_at_s is None or attempt.is_self_reported:
            return Scan(attempt, checkpoint, entry, ruling)
        return Scan(attempt, checkpoint, entry, ruling, _use(attempt, policy, admission.decision, shown_at_s))

    def _policy_for(self, attempt: Attempt, checkpoint: Checkpoint) -> KindPolicy:
        """What is in force; for a gate that had no network, what was in force when it decided."""
        if attempt.offline is None:
            return self._policies.of(checkpoint.kind)
        return self._policies.of_moment(checkpoint.kind, attempt.scanned_at)

    def _identified(self, attempt: Attempt, holders: Holders, now: datetime) -> _Identified:
        found = None if attempt.token is None else self._read(attempt.token, attempt, now)
        if isinstance(found, Refusal):
            return None, found, None
        shown, shown_at_s = (None, None) if found is None else found
        if attempt.person_ref is None:
            return shown, None, shown_at_s
        entries = holders.entries.get(attempt.person_ref, ())
        if shown is not None:
            if shown in entries:
                return shown, None, shown_at_s
            return None, Refusal.WRONG_HOLDER if shown in holders.held else Refusal.UNKNOWN_PERSON, None
        if not entries:
            return None, Refusal.UNKNOWN_PERSON, None
        return self._governing(entries, now), None, None

    def _read(self, token: str, attempt: Attempt, now: datetime) -> ReadPass | Refusal:
        """An online scan is of now, whatever the gate's clock says; an offline one of then."""
        if attempt.offline is not None:
            return self._key_ring.read(token, attempt.scanned_at)
        return self._key_ring.read(token, now, on_the_way_s(attempt.scanned_at, now))

    def _governing(self, entries: Sequence[Entry], now: datetime) -> Entry:
        """Of the entries that a person has held the one that counts: voided ones have lapsed, the worst colour wins."""
        at_s = now.timestamp()
        return max(entries, key=lambda entry: _WEIGHT[self._board.standing_of(entry, at_s).colour])

    async def _holders_of(self, attempts: Iterable[Attempt]) -> Holders:
        persons, shown = self._asked_about(attempts)
        return await self._directory.holders(persons, shown) if persons else NO_HOLDERS

    def _asked_about(self, attempts: Iterable[Attempt]) -> tuple[set[UUID], set[Entry]]:
        """Those whose document was shown; a pass beside it is only looked up by what it claims to be."""
        persons, shown = set[UUID](), set[Entry]()
        for attempt in attempts:
            if attempt.person_ref is not None:
                persons.add(attempt.person_ref)
                entry = None if attempt.token is None else self._key_ring.entry_in(attempt.token)
                shown |= set() if entry is None else {entry}
        return persons, shown


def _use(attempt: Attempt, policy: KindPolicy, decision: Decision, shown_at_s: int) -> Use:
    """Somebody who is let in uses the pass up; what a gate without a network did stands, whoever was before it."""
    if attempt.offline is not None:
        return Use(shown_at_s, decision if attempt.offline.decision == Decision.PASS else None)
    return Use(shown_at_s, policy.decisions[Refusal.PASS_REUSED] if decision is Decision.PASS else None)


def _using_nothing(scan: Scan) -> Scan:
    return scan if scan.use is None else scan._replace(use=Use(scan.use.issued_at_s))
