"""An offline gate decides like the server; where its bundle cannot settle, it says `check` and never lets anybody pass.

100,000 generated cases go through both: the gate's knowledge read from a bundle as it is served, and the server's own
scan path. Both ways read real signatures; a pass that comes again at the same moment is remembered, to save the time.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest

from guanka.gate.deciding import Taken, decide_offline
from guanka.gate.forms import admit_alone, read_form_of
from guanka.gate.knowledge import Knowledge, read_bundle
from services.checkpoints.board import Board, pack
from services.checkpoints.bundles import HeldLists, bundle_of
from services.checkpoints.codes_client import StatusList
from services.checkpoints.domain.errors import RegistrationNotDoneHere
from services.checkpoints.domain.policy import OUTCOMES, RegistrationOutcome
from services.checkpoints.domain.registrations import admit, words_of
from services.checkpoints.domain.scans import (
    KINDS,
    Attempt,
    Checkpoint,
    Decision,
    Entry,
    OfflineDecision,
    Ruling,
    Scan,
    Stage,
)
from services.checkpoints.fast_path import ScanPath
from services.checkpoints.key_ring import KeyRing
from services.checkpoints.policy_shelf import PolicyShelf
from services.checkpoints.signed import POLICY, public_keys
from tests.integration.checkpoints.town import SHIPPED_POLICY, STATUS_LIST_URI, FakeCodes, Key, PolicyOffice

CASES = 100_000
SIZE = 4096
NOW = datetime.now(UTC).replace(microsecond=0)
AS_OF = NOW - timedelta(minutes=1)
MOMENTS = [NOW + timedelta(minutes=minutes) for minutes in (0, 1, 7, 14, 28, 31, 45, 90, 600, 1439, 1441, 3000)]
"""Fresh, stale (after 30 minutes), and beyond the bundle (after a day)."""
IN_BOTH, NEWER = (1, 2), 3
"""List 3 was opened after the gate was cut off; list 9 is on no board."""


class Remembering(KeyRing):
    """Reads a pass once for each moment."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._read: dict[tuple[str, datetime], Any] = {}

    def read(self, token: str, scanned_at: datetime) -> Any:
        key = (token, scanned_at)
        if key not in self._read:
            self._read[key] = super().read(token, scanned_at)
        return self._read[key]


class NoLog:
    async def append_all(self, scans: Sequence[Scan]) -> list[Ruling]:
        return [scan.ruling for scan in scans]


class NoReuse:
    def is_reused(self, *_: object) -> bool:
        return False


class Registered:
    """Who holds which entry, as the server knows and no gate does."""

    def __init__(self, holders: dict[UUID, list[Entry]]) -> None:
        self._holders = holders

    async def entries_of(self, person_refs: Iterable[UUID]) -> dict[UUID, list[Entry]]:
        return {each: self._holders[each] for each in person_refs if each in self._holders}

    async def digests_of(self, scan_ids: Iterable[UUID]) -> dict[UUID, bytes]:
        return {}


class Town:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.codes, self.office = FakeCodes(SIZE), PolicyOffice()
        for number in (*IN_BOTH, NEWER):
            self.codes.colours[number] = bytearray(self.chance.choices(range(4), k=SIZE))
            self.codes.revision[number] = 10 + number
            self.codes.persons[number] = {}
        self.holders = {uuid4(): [Entry(1, n * 3)] for n in range(50)}
        self.tokens = list(self.make_tokens())
        documents = [SHIPPED_POLICY, *(self.drawn(f"drawn@{n}") for n in (1, 2))]
        starts = [NOW - timedelta(days=3), NOW + timedelta(minutes=5), NOW + timedelta(hours=5)]
        self.policies = [
            (each["policy"], self.office.sign(each, effective_from=start))
            for each, start in zip(documents, starts, strict=True)
        ]
        self.checkpoints = [
            Checkpoint(uuid4(), kind, "A gate", "", "440103001", "", stage=stage)
            for kind in KINDS
            for stage in (Stage.OPEN, Stage.OPEN, Stage.OPEN, Stage.CLOSED)
        ]

    def drawn(self, version: str) -> dict[str, Any]:
        """A policy whose decisions are drawn: the gate must follow whatever is written."""
        document = deepcopy(SHIPPED_POLICY) | {"policy": version}
        words = {"zh": "字", "en": "word"}
        document["words"] = {o.value: {d.value: words for d in Decision} for o in OUTCOMES}
        for kind in document["kinds"].values():
            kind["decisions"] = {o.value: self.chance.choice(list(Decision)).value for o in OUTCOMES}
            if self.chance.random() < 0.5:
                drawn = {o.value: self.chance.choice(list(Decision)).value for o in RegistrationOutcome}
                said = {o.value: words for o in RegistrationOutcome}
                kind["registration"] = {"decisions": drawn, "words": said}
        return document

    def make_tokens(self) -> Iterator[str]:
        codes, chance = self.codes, self.chance
        forger = Key("shown-1", "pass+jwt")
        for moment in MOMENTS:
            for _ in range(20):
                number, idx = chance.choice((1, 1, 1, 2, 2, NEWER, 9)), chance.randrange(SIZE)
                yield codes.mint(idx, number=number, at=moment - timedelta(seconds=chance.randrange(50)))
                yield codes.mint(idx, number=number, key=codes.printed, at=NOW - timedelta(days=chance.randrange(30)))
            yield codes.mint(5, at=moment - timedelta(minutes=5))
            yield codes.mint(5, at=moment + timedelta(minutes=5))
            yield codes.mint(SIZE + 5, at=moment)
            yield codes.mint(5, at=moment, key=forger)
            yield codes.mint(5, at=moment, headers={"kid": "unknown"})
            yield codes.mint(5, at=moment, life_s=9000)
        yield from ("hello", "a.b.c", "x" * 500)

    def knowledge(self, checkpoint: Checkpoint) -> Knowledge:
        """As a gate has it, over the wire and back."""
        shelf = self.shelf(NOW)
        lists = {n: StatusList(f'"{10 + n}"', 10 + n, self.signed_list(n)) for n in IN_BOTH}
        bundle = bundle_of(
            versions=(checkpoint,),
            policy=shelf.current,
            upcoming=shelf.upcoming(),
            jwks=self.codes.jwks(),
            policy_jwks=self.office.jwks(),
            held=HeldLists(lists, AS_OF),
            known_tags=frozenset(),
            status_list_uri=STATUS_LIST_URI,
            now=NOW,
        )
        served = json.loads(json.dumps(bundle))
        known = read_bundle(served, {each["list"]: each["token"] for each in served["status_lists"]}, NOW)
        ring = Remembering(STATUS_LIST_URI)
        ring.put(served["jwks"])
        return replace(known, key_ring=ring)

    def signed_list(self, number: int) -> str:
        lst = base64.urlsafe_b64encode(zlib.compress(pack(self.codes.colours[number]), 1)).rstrip(b"=").decode()
        return self.codes.signed_list(number, status_list={"bits": 2, "lst": lst})

    def shelf(self, now: datetime) -> PolicyShelf:
        shelf = PolicyShelf(lambda: self.policies, public_keys(self.office.jwks(), POLICY), lambda: now)
        shelf.refresh()
        return shelf

    def path(self, ring: KeyRing, now: datetime) -> ScanPath:
        """The server at a moment, its board as old as the gate's, and as soon stale."""
        shelf = self.shelf(now)
        board = Board(shelf.at(NOW).policy.offline.stale_after.total_seconds())
        for number in (*IN_BOTH, NEWER):
            board.put(number, 10 + number, pack(self.codes.colours[number]))
        board.mark_complete(AS_OF.timestamp())
        return ScanPath(
            key_ring=ring,
            board=board,
            policies=shelf,
            scan_log=NoLog(),
            directory=Registered(self.holders),
            sightings=NoReuse(),
            clock=lambda: now,
        )

    def attempt(self, checkpoint: Checkpoint, moment: datetime) -> Attempt:
        chance = self.chance
        what = chance.random()
        token = chance.choice(self.tokens) if what < 0.9 else None
        person_ref = None
        if what > 0.85:
            person_ref = chance.choice(list(self.holders)) if chance.random() < 0.7 else UUID(int=7)
        return Attempt(
            scan_id=UUID(int=1),
            checkpoint_id=checkpoint.checkpoint_id,
            scanned_at=moment,
            digest=b"",
            token=token,
            person_ref=person_ref if token is None or chance.random() < 0.5 else None,
            vehicle_ref=UUID(int=9) if chance.random() < 0.05 else None,
            temperature_c=chance.choice((None, 36.5, 37.2, 37.3, 39.0)),
            mask=chance.choice((None, None, True, False)),
            offline=OfflineDecision("check", None, "none@0", 0),
        )


@pytest.fixture(scope="module")
def town() -> Town:
    return Town(seed=4)


def can_be_settled(attempt: Attempt, entry: object, moment: datetime) -> bool:
    """Said apart from the gate's own code: a pass alone, on a list that it has, before the bundle is over."""
    is_known_list = not isinstance(entry, Entry) or entry.list in IN_BOTH
    is_in_time = moment < NOW + timedelta(days=1)
    return attempt.token is not None and attempt.person_ref is None and is_known_list and is_in_time


def test_an_offline_gate_decides_like_the_server_and_where_it_cannot_lets_nobody_pass(town: Town) -> None:
    ring = Remembering(STATUS_LIST_URI)
    ring.put(town.codes.jwks())
    gates = {each.checkpoint_id: town.knowledge(each) for each in town.checkpoints}
    gate_ring = next(iter(gates.values())).key_ring
    gates = {key: replace(each, key_ring=gate_ring) for key, each in gates.items()}
    counts: Counter[str] = Counter()
    for moment in MOMENTS:
        path = town.path(ring, moment)
        cases = []
        for _ in range(CASES // len(MOMENTS) + 1):
            checkpoint = town.chance.choice(town.checkpoints)
            cases.append((town.attempt(checkpoint, moment), checkpoint))
        for (attempt, checkpoint), ruling in zip(cases, asyncio.run(path.record_scans(cases)), strict=True):
            assert isinstance(ruling, Ruling)
            taken = decide_offline(gates[checkpoint.checkpoint_id], attempt)
            counts[compare(attempt, ring, taken, ruling)] += 1
    print(dict(counts))
    assert sum(counts.values()) >= CASES
    assert min(counts[each] for each in ("same", "settled stop", "check")) > CASES / 100


def compare(attempt: Attempt, ring: KeyRing, taken: Taken, ruling: Ruling) -> str:
    """What kind of case it was; fails where the gate is laxer than it may be."""
    entry = None if attempt.token is None else ring.read(attempt.token, attempt.scanned_at)
    assert taken.policy_version == ruling.policy_version
    if can_be_settled(attempt, entry, attempt.scanned_at):
        assert taken.is_settled
        told = (taken.decision, taken.colour, taken.refusal, taken.list_revision)
        assert told == (ruling.decision, ruling.colour, ruling.refusal, ruling.board_revision), attempt
        return "same"
    assert taken.decision is not Decision.PASS
    if taken.is_settled:
        assert taken.decision is Decision.STOP
        return "settled stop"
    assert taken.decision is Decision.CHECK
    return "check"


def test_a_gate_that_never_had_a_bundle_checks_everybody(town: Town) -> None:
    attempts = (town.attempt(town.checkpoints[0], NOW) for _ in range(500))
    assert {decide_offline(None, attempt).decision for attempt in attempts} == {Decision.CHECK}


def test_a_vehicle_is_decided_like_its_strictest_traveller_and_a_plate_alone_is_checked(town: Town) -> None:
    ring = Remembering(STATUS_LIST_URI)
    ring.put(town.codes.jwks())
    places = [each for each in town.checkpoints if each.kind == "road"]
    path = town.path(ring, NOW)

    class Log(NoLog):
        async def append(self, scan: Scan) -> Ruling:
            return scan.ruling

    path._scan_log = Log()
    for place in places:
        known = town.knowledge(place)
        for _ in range(300):
            people = []
            for _ in range(town.chance.randrange(4)):
                shown = {"token": town.chance.choice(town.tokens), "person_ref": None, "temperature_c": None}
                people.append(town.attempt(place, NOW)._replace(**shown, mask=None, vehicle_ref=UUID(int=9)))
            own = {"token": None, "person_ref": None, "vehicle_ref": UUID(int=9), "people": tuple(people)}
            vehicle = town.attempt(place, NOW)._replace(**own)
            taken = decide_offline(known, vehicle)
            if not people:
                assert taken.decision in (Decision.CHECK, Decision.STOP)
                continue
            ruling, _ = asyncio.run(path.record_vehicle(vehicle, place))
            entries = [ring.read(each.token, NOW) for each in people]
            is_settled = all(not isinstance(each, Entry) or each.list in IN_BOTH for each in entries)
            if is_settled and vehicle.names_nobody():
                assert taken.decision is ruling.decision
            else:
                assert taken.decision is not Decision.PASS


def test_of_a_form_a_gate_decides_like_the_server_and_where_it_cannot_lets_nobody_pass(town: Town) -> None:
    """Each checkpoint, each moment, with and without a fever; the server decides a late form as of its moment."""
    counts: Counter[str] = Counter()
    gates = {each.checkpoint_id: town.knowledge(each) for each in town.checkpoints}
    in_force = {moment: town.shelf(moment).at(moment).policy for moment in MOMENTS}
    for checkpoint, moment in product(town.checkpoints, MOMENTS):
        known, policy = gates[checkpoint.checkpoint_id], in_force[moment].kinds[checkpoint.kind]
        for temperature in (None, 37.2, 37.3):
            given = {"document": {"type": "resident_id", "number": "110101199001010000"}, "phone": "13800138000"}
            given |= {"from_area": "420100", "to_area": "440103", "temperature_c": temperature}
            _, form = read_form_of(given | {"registered_at": moment.isoformat()}, str(checkpoint.checkpoint_id), moment)
            try:
                decided = admit(policy, checkpoint, form.registration, moment)
            except RegistrationNotDoneHere:
                if moment < NOW + timedelta(days=1):
                    with pytest.raises(RegistrationNotDoneHere):
                        admit_alone(known, form)
                    counts["not done here"] += 1
                else:
                    assert admit_alone(known, form).decision is Decision.CHECK
                    counts["beyond the bundle"] += 1
                assert admit_alone(known, form, may_be_recorded=True).decision is Decision.CHECK
                continue
            taken = admit_alone(known, form)
            assert taken.policy_version == decided.policy_version
            if moment < NOW + timedelta(days=1):
                told = (decided.decision, decided.outcome, words_of(policy, decided.outcome))
                assert (taken.decision, taken.outcome, taken.say) == told
                counts[f"same {taken.decision}"] += 1
            else:
                assert taken.decision is (Decision.STOP if decided.decision is Decision.STOP else Decision.CHECK)
                counts["beyond the bundle"] += 1
    assert len(counts) == 5, counts
    assert min(counts.values()) > 10, counts


def test_of_a_checkpoint_that_was_merged_the_form_is_looked_at(town: Town) -> None:
    """It is its successor's, of which the gate knows nothing."""
    road = next(each for each in town.checkpoints if each.kind == "road")
    merged = replace(road, stage=Stage.MERGED, successor=uuid4())
    given = {"document": {"type": "resident_id", "number": "110101199001010000"}, "phone": "13800138000"}
    _, form = read_form_of(given | {"from_area": "420100", "to_area": "440103"}, str(merged.checkpoint_id), NOW)
    assert admit_alone(town.knowledge(merged), form).decision is Decision.CHECK
    assert admit_alone(None, form).decision is Decision.CHECK
