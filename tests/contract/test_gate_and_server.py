"""An offline gate decides like the server; where its bundle cannot settle, it says `check` and never lets anybody pass.

100,000 generated cases go through both: the gate's knowledge read from a bundle as it is served, and the server's own
scan path, each at a moment of the scan and at a moment of its decision. Both ways read real signatures; a pass that
comes again at the same moment is remembered, to save the time.
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
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest

from guanka.gate.deciding import Taken, decide_offline
from guanka.gate.forms import admit_alone, read_form_of
from guanka.gate.knowledge import Knowledge, read_bundle
from services.checkpoints.api.forms import Form
from services.checkpoints.board import Board, pack
from services.checkpoints.bundles import HeldLists, bundle_of
from services.checkpoints.codes_client import StatusList
from services.checkpoints.domain.errors import RegistrationNotDoneHere
from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.policy import OUTCOMES, KindPolicy, RegistrationOutcome
from services.checkpoints.domain.registrations import admit, words_of
from services.checkpoints.domain.scans import (
    KINDS,
    Attempt,
    Checkpoint,
    Decision,
    Entry,
    Holders,
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
MADE_TO_END = timedelta(days=1)
"""As the policy that is in force when the bundle is made says."""


class Limits(NamedTuple):
    """What a policy says of bundles, and from when on, in minutes after the bundle was made."""

    starts_min: int
    stale_min: int
    expires_min: int


LIMITS = {
    "former@1": Limits(-3 * 1440, 600, 4320),
    "default@1": Limits(-120, 30, 1440),
    "drawn@1": Limits(5, 10, 45),
    "drawn@2": Limits(300, 720, 4320),
}
"""What was in force before, and is in no bundle; what is; a stricter one to come; one laxer than the bundle itself."""


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


BEFORE_MIN = (-2000, -121, -90, -5.1, -4.9, -1)
"""Too long before the bundle was made, also under a policy that it does not have; and by no more than clocks differ."""
MOMENTS = [after(minutes) for minutes in (*BEFORE_MIN, 0, 1, 4, 7, 14, 28, 31, 45, 90, 301, 600, 1439, 1441, 3000)]
SITUATIONS = [
    (moment, moment + timedelta(minutes=later))
    for moment, later in product(MOMENTS, (0, -5, 8, 60, 1600))
    if later >= 0 or moment > NOW
]
"""(when the scan was, when it is decided): at once, late as from a file, or ahead of the clock by as much as may be."""
IN_BOTH, NEWER = (1, 2), 3
"""List 3 was opened after the gate was cut off; list 9 is on no board."""


class Remembering(KeyRing):
    """Reads a pass once for each moment."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._known: dict[tuple[str, datetime], Any] = {}

    def read(self, token: str, at: datetime, on_the_way_s: float = 0.0) -> Any:
        key = (token, at)
        if key not in self._known:
            self._known[key] = super().read(token, at, on_the_way_s)
        return self._known[key]


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

    async def holders(self, person_refs: Iterable[UUID], shown: Iterable[Entry]) -> Holders:
        held = {entry for entries in self._holders.values() for entry in entries}
        found = {each: self._holders[each] for each in person_refs if each in self._holders}
        return Holders(found, held.intersection(shown))

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
        self.policies = [
            (version, self.office.sign(self.document(version, limits), effective_from=after(limits.starts_min)))
            for version, limits in LIMITS.items()
        ]
        self.checkpoints = [
            Checkpoint(uuid4(), kind, "A gate", "", "440103001", "", stage=stage)
            for kind in KINDS
            for stage in (Stage.OPEN, Stage.OPEN, Stage.OPEN, Stage.CLOSED)
        ]

    def document(self, version: str, limits: Limits) -> dict[str, Any]:
        drawn = SHIPPED_POLICY if version == "default@1" else self.drawn(version)
        return drawn | {"offline": {"stale_s": limits.stale_min * 60, "expires_s": limits.expires_min * 60}}

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

    def path(self, ring: KeyRing, moment: datetime, now: datetime) -> ScanPath:
        """The server at `now`, its board as old as the gate's, and stale as soon as the policy of the scan says."""
        shelf = self.shelf(now)
        board = Board(limits_at(moment).stale_min * 60)
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


def limits_at(moment: datetime) -> Limits:
    return [each for each in LIMITS.values() if after(each.starts_min) <= moment][-1]


def is_reached(moment: datetime, now: datetime) -> bool:
    """Said apart from the gate's own code: the bundle is neither too new for the scan nor over, then or now."""
    limits = limits_at(moment)
    ends_at = NOW + min(MADE_TO_END, timedelta(minutes=limits.expires_min))
    return limits != LIMITS["former@1"] and moment >= after(-5) and max(moment, now) < ends_at


def can_be_settled(attempt: Attempt, found: object, now: datetime) -> bool:
    """Said apart too: a pass alone, on a list that the gate has, of a moment that the bundle reaches."""
    is_known_list = not isinstance(found, ReadPass) or found.entry.list in IN_BOTH
    return (
        attempt.token is not None
        and attempt.person_ref is None
        and is_known_list
        and is_reached(attempt.scanned_at, now)
    )


def test_an_offline_gate_decides_like_the_server_and_where_it_cannot_lets_nobody_pass(town: Town) -> None:
    ring = Remembering(STATUS_LIST_URI)
    ring.put(town.codes.jwks())
    gates = {each.checkpoint_id: town.knowledge(each) for each in town.checkpoints}
    gate_ring = next(iter(gates.values())).key_ring
    gates = {key: replace(each, key_ring=gate_ring) for key, each in gates.items()}
    counts: Counter[str] = Counter()
    for moment, now in SITUATIONS:
        path = town.path(ring, moment, now)
        cases = []
        for _ in range(CASES // len(SITUATIONS) + 1):
            checkpoint = town.chance.choice(town.checkpoints)
            cases.append((town.attempt(checkpoint, moment), checkpoint))
        for (attempt, checkpoint), ruling in zip(cases, asyncio.run(path.record_scans(cases)), strict=True):
            assert isinstance(ruling, Ruling)
            taken = decide_offline(gates[checkpoint.checkpoint_id], attempt, now)
            counts[compare(attempt, ring, taken, ruling, now)] += 1
    print(dict(counts))
    assert sum(counts.values()) >= CASES
    assert min(counts[each] for each in ("same", "settled stop", "check")) > CASES / 100


def compare(attempt: Attempt, ring: KeyRing, taken: Taken, ruling: Ruling, now: datetime) -> str:
    """What kind of case it was; fails where the gate is laxer than it may be."""
    found = None if attempt.token is None else ring.read(attempt.token, attempt.scanned_at)
    assert taken.policy_version == ruling.policy_version or ruling.policy_version == "former@1"
    if can_be_settled(attempt, found, now):
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
    assert {decide_offline(None, attempt, NOW).decision for attempt in attempts} == {Decision.CHECK}


def test_a_vehicle_is_decided_like_its_strictest_traveller_and_a_plate_alone_is_checked(town: Town) -> None:
    ring = Remembering(STATUS_LIST_URI)
    ring.put(town.codes.jwks())
    places = [each for each in town.checkpoints if each.kind == "road"]
    path = town.path(ring, NOW, NOW)

    class Log(NoLog):
        async def append(self, scan: Scan) -> Ruling:
            return scan.ruling

    path._scan_log = Log()
    for place in places:
        known = town.knowledge(place)
        for _ in range(300):
            people = []
            for _ in range(town.chance.randrange(4)):
                shown = {"token": town.chance.choice(town.tokens), "person_ref": None, "vehicle_ref": UUID(int=9)}
                people.append(town.attempt(place, NOW)._replace(**shown))
            own = {"token": None, "person_ref": None, "vehicle_ref": UUID(int=9), "people": tuple(people)}
            vehicle = town.attempt(place, NOW)._replace(**own)
            taken = decide_offline(known, vehicle, NOW)
            if not people:
                assert taken.decision in (Decision.CHECK, Decision.STOP)
                continue
            ruling, _ = asyncio.run(path.record_vehicle(vehicle, place))
            read = [ring.read(each.token, NOW) for each in people]
            is_settled = all(not isinstance(each, ReadPass) or each.entry.list in IN_BOTH for each in read)
            if is_settled and vehicle.names_nobody():
                assert taken.decision is ruling.decision
            else:
                assert taken.decision is not Decision.PASS


def test_of_a_form_a_gate_decides_like_the_server_and_where_it_cannot_lets_nobody_pass(town: Town) -> None:
    """Each checkpoint, each situation, with and without a fever; the server decides a late form as of its moment."""
    counts: Counter[str] = Counter()
    gates = {each.checkpoint_id: town.knowledge(each) for each in town.checkpoints}
    in_force = {moment: town.shelf(moment).at(moment).policy for moment in MOMENTS}
    forms = {each: list(forms_at(each)) for each in MOMENTS}
    for checkpoint, (moment, now) in product(town.checkpoints, SITUATIONS):
        known, policy = gates[checkpoint.checkpoint_id], in_force[moment].kinds[checkpoint.kind]
        for form in forms[moment]:
            counts[compare_form(known, policy, checkpoint, form, now)] += 1
    assert len(counts) == 6, counts
    assert min(counts.values()) > 10, counts


def forms_at(moment: datetime) -> Iterator[Form]:
    """Of nobody in particular; what a form says of its checkpoint decides nothing."""
    for temperature in (None, 37.2, 37.3):
        given = {"document": {"type": "resident_id", "number": "110101199001010000"}, "phone": "13800138000"}
        given |= {"from_area": "420100", "to_area": "440103", "temperature_c": temperature}
        yield read_form_of(given | {"registered_at": moment.isoformat()}, str(uuid4()), moment)[1]


def compare_form(known: Knowledge, policy: KindPolicy, checkpoint: Checkpoint, form: Form, now: datetime) -> str:
    moment = form.registration.registered_at
    try:
        decided = admit(policy, checkpoint, form.registration, moment)
    except RegistrationNotDoneHere:
        assert admit_alone(known, form, now, may_be_recorded=True).decision is not Decision.PASS
        if not is_reached(moment, now):
            assert admit_alone(known, form, now).decision is not Decision.PASS
            return "not done here, as far as is known"
        with pytest.raises(RegistrationNotDoneHere):
            admit_alone(known, form, now)
        return "not done here"
    taken = admit_alone(known, form, now)
    if is_reached(moment, now):
        assert taken.policy_version == decided.policy_version
        told = (decided.decision, decided.outcome, words_of(policy, decided.outcome))
        assert (taken.decision, taken.outcome, taken.say) == told
        return f"same {taken.decision}"
    assert taken.decision is not Decision.PASS
    if policy.version != "former@1":
        assert taken.decision is (Decision.STOP if decided.decision is Decision.STOP else Decision.CHECK)
    return "beyond the bundle"


def test_of_a_checkpoint_that_was_merged_the_form_is_looked_at(town: Town) -> None:
    """It is its successor's, of which the gate knows nothing."""
    road = next(each for each in town.checkpoints if each.kind == "road")
    merged = replace(road, stage=Stage.MERGED, successor=uuid4())
    given = {"document": {"type": "resident_id", "number": "110101199001010000"}, "phone": "13800138000"}
    _, form = read_form_of(given | {"from_area": "420100", "to_area": "440103"}, str(merged.checkpoint_id), NOW)
    assert admit_alone(town.knowledge(merged), form, NOW).decision is Decision.CHECK
    assert admit_alone(None, form, NOW).decision is Decision.CHECK
