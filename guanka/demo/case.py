"""One confirmed case, timed from the report until the last contact has been refused at a gate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from guanka.demo.city import MEETING_KINDS, Gate
from guanka.demo.riders import Riders, Scanned
from guanka.demo.witness import STOPPING, Witness, standing_people

CLOSE_WINDOW_S = 30 * 60
METRO_WINDOW_S = 2 * 60
_AGAIN_S = 0.05
_PLACES_LOOKED_AT = 40
_PATIENCE_S = 60.0
_STOPPED = ("red", "yellow")


@dataclass(slots=True)
class Outcome:
    """Unix seconds of each step, None where it did not come; `stops` in the order in which contacts were refused."""

    case: int
    expected: set[int]
    untouched: set[int]
    entry_id: str = ""
    reported_at: float = 0.0
    confirmed_at: float = 0.0
    traced_at: float | None = None
    opened_at: float | None = None
    coloured_at: float | None = None
    board_at: float | None = None
    traced: set[str] = field(default_factory=set)
    stops: list[Scanned] = field(default_factory=list)
    scans: list[Scanned] = field(default_factory=list)

    def after_report_s(self, moment: float | None) -> float:
        """Seconds from the report to a moment; infinite where it did not come."""
        return float("inf") if moment is None else moment - self.reported_at

    @property
    def first_stop(self) -> Scanned | None:
        """The first contact to be refused who would have passed before the case was reported."""
        stops = [stop for stop in self.stops if stop.citizen in self.untouched]
        return min(stops, key=lambda stop: stop.answered_at, default=None)

    @property
    def last_stop_s(self) -> float:
        if len(self.stops) < len(self.expected):
            return float("inf")
        return max(stop.answered_at for stop in self.stops) - self.reported_at


def expected_contacts(scans: Sequence[Scanned], case: int) -> set[int]:
    """Whom the tracing rule must find, worked out here from the acknowledged scans alone."""
    by_gate: dict[str, list[Scanned]] = {}
    for scan in scans:
        by_gate.setdefault(scan.gate.checkpoint_id, []).append(scan)
    found: set[int] = set()
    for own in (scan for scan in scans if scan.citizen == case):
        window_s = (
            CLOSE_WINDOW_S if own.gate.kind in MEETING_KINDS else METRO_WINDOW_S if own.gate.kind == "metro" else 0
        )
        for other in by_gate[own.gate.checkpoint_id]:
            if window_s and abs(other.sent_at - own.sent_at) <= window_s:
                found.add(other.citizen)
    return found - {case}


def choose_case(scans: Sequence[Scanned], untouched: set[int], *, contacts_max: int) -> tuple[int, set[int]]:
    """Who is to be confirmed, and whom that person met: of the untouched the one who met most untouched people.

    Untouched are those who passed every gate and are nobody's contact yet: a case of a morning played just before is
    still being traced, and rightly takes in whoever comes to the same place.
    """
    visitors: dict[str, set[int]] = {}
    for scan in scans:
        if scan.gate.kind in MEETING_KINDS:
            visitors.setdefault(scan.gate.checkpoint_id, set()).add(scan.citizen)
    chosen, met = -1, set[int]()
    for people in sorted(visitors.values(), key=len, reverse=True)[:_PLACES_LOOKED_AT]:
        for candidate in sorted(people & untouched)[:1]:
            contacts = expected_contacts(scans, candidate)
            if len(contacts) <= contacts_max and len(contacts & untouched) > len(met & untouched):
                chosen, met = candidate, contacts
    return chosen, met


async def confirm(
    riders: Riders,
    witness: Witness,
    people: Sequence[str],
    *,
    case: int,
    area: str,
    contacts: set[int],
    untouched: set[int],
    gates: Sequence[Gate],
) -> Outcome:
    """Confirm `case` and let every contact hold a pass to a gate, again and again, until it is refused there.

    Passes are minted before the clock starts: what is measured is the way of the news to the gates. They are printed
    ones, which may be held to a gate again and again.
    """
    outcome = Outcome(case, contacts, untouched & contacts)
    passes = dict(zip(sorted(contacts), await _passes(riders, [people[n] for n in sorted(contacts)]), strict=True))
    looks: list[tuple[float, dict[int, int]]] = []
    looking = asyncio.create_task(_look_at_board(riders, looks))
    outcome.reported_at = time.time()
    entry = await riders.confirm_case(people[case], area)
    outcome.confirmed_at, outcome.entry_id = time.time(), str(entry["entry_id"])
    slots = asyncio.Semaphore(32)
    trying = [
        _try_until_refused(riders, outcome, slots, n, shown, gates[i % len(gates)])
        for i, (n, shown) in enumerate(passes.items())
    ]
    await asyncio.gather(*trying)
    revisions = await _until_told(witness, outcome, {people[n] for n in contacts})
    await _until_seen(looks, revisions)
    looking.cancel()
    _read_log(witness, outcome, {people[n] for n in contacts}, revisions, looks)
    return outcome


async def _passes(riders: Riders, people: Sequence[str]) -> list[str]:
    slots = asyncio.Semaphore(16)

    async def mint(person_ref: str) -> str:
        async with slots:
            return await riders.print_pass(person_ref)

    return list(await asyncio.gather(*(mint(person_ref) for person_ref in people)))


async def _try_until_refused(
    riders: Riders, outcome: Outcome, slots: asyncio.Semaphore, citizen: int, shown: str, gate: Gate
) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        async with slots:
            scan = await riders.scan(citizen, shown, gate)
        outcome.scans.append(scan)
        if scan.decision == "stop" and scan.colour in _STOPPED:
            outcome.stops.append(scan)
            return
        await asyncio.sleep(_AGAIN_S)


async def _look_at_board(riders: Riders, looks: list[tuple[float, dict[int, int]]]) -> None:
    """Note the board's revisions, with the time of each answer, until cancelled."""
    while True:
        revisions = await riders.board()
        looks.append((time.time(), revisions))
        await asyncio.sleep(0.03)


async def _until_told(witness: Witness, outcome: Outcome, contacts: set[str]) -> dict[int, int]:
    """Wait until the log holds every contact's trace and colour; the list revisions that carried the colours."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        revisions, told = _standings(witness, outcome, contacts)
        if told >= contacts and _traced(witness, outcome)[1] >= contacts:
            return revisions
        await asyncio.sleep(0.05)
    return _standings(witness, outcome, contacts)[0]


async def _until_seen(looks: list[tuple[float, dict[int, int]]], revisions: dict[int, int]) -> None:
    """Wait for a look at the board that shows these revisions."""
    deadline = time.monotonic() + 5
    while not any(_shows(board, revisions) for _, board in looks[-3:]) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


def _shows(board: dict[int, int], revisions: dict[int, int]) -> bool:
    return bool(revisions) and all(board.get(number, 0) >= revision for number, revision in revisions.items())


def _standings(witness: Witness, outcome: Outcome, contacts: set[str]) -> tuple[dict[int, int], set[str]]:
    revisions: dict[int, int] = {}
    told: set[str] = set()
    for seen in witness.of("StandingsChanged"):
        people = standing_people(seen.data, STOPPING) & contacts
        if seen.at >= outcome.reported_at and people:
            told |= people
            number = int(seen.data["list"])
            revisions[number] = max(revisions.get(number, 0), int(seen.data["revision"]))
    return revisions, told


def _traced(witness: Witness, outcome: Outcome) -> tuple[list[float], set[str]]:
    parts = witness.of("ContactsTraced", where=lambda data: data["entry_id"] == outcome.entry_id)
    people = {contact["person_ref"] for part in parts for contact in part.data.get("contacts", [])}
    return [part.at for part in parts], people


def _read_log(
    witness: Witness,
    outcome: Outcome,
    contacts: set[str],
    revisions: dict[int, int],
    looks: list[tuple[float, dict[int, int]]],
) -> None:
    moments, outcome.traced = _traced(witness, outcome)
    outcome.traced_at = max(moments, default=None)
    opened = witness.of("EntryOpened", where=lambda data: data.get("caused_by_entry") == outcome.entry_id)
    outcome.opened_at = max((each.at for each in opened), default=None)
    coloured = witness.of("ColourChanged", where=lambda data: data["person_ref"] in contacts)
    outcome.coloured_at = max((each.at for each in coloured if each.at >= outcome.reported_at), default=None)
    outcome.board_at = next((at for at, board in looks if _shows(board, revisions)), None)
