"""A scan: what a gate saw, what was decided, and what is kept of it.

What is made anew for every scan is a named tuple: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

KINDS = ("metro", "bus", "road", "compound", "building", "mall", "hospital", "school", "workplace", "port")
FEVER_C = 37.3


class _Word(StrEnum):
    """A word of the contract; hashed as a string is, for an enumeration's own hash is slow at every look-up."""

    __hash__ = str.__hash__


class Colour(_Word):
    """What the board says of a person; unknown where nobody could be looked up."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    LAPSED = "lapsed"
    UNKNOWN = "unknown"


class Decision(_Word):
    """What the gate is to do, from the mildest to the strictest."""

    PASS = "pass"  # noqa: S105 (a word of the contract)
    CHECK = "check"
    STOP = "stop"


STRICTNESS = {Decision.PASS: 0, Decision.CHECK: 1, Decision.STOP: 2}


class Refusal(_Word):
    """Why something other than the colour kept the gate from opening."""

    FEVER = "fever"
    NO_MASK = "no_mask"
    PASS_EXPIRED = "pass_expired"  # noqa: S105
    PASS_NOT_YET_VALID = "pass_not_yet_valid"  # noqa: S105
    PASS_FORGED = "pass_forged"  # noqa: S105
    PASS_VOID = "pass_void"  # noqa: S105
    WRONG_HOLDER = "wrong_holder"
    WRONG_PLACE = "wrong_place"
    CHECKPOINT_REVOKED = "checkpoint_revoked"
    UNKNOWN_PERSON = "unknown_person"
    BOARD_STALE = "board_stale"
    TEST_MISSING = "test_missing"
    TEST_OLD = "test_old"
    PASS_REUSED = "pass_reused"  # noqa: S105
    CLOCK_OFF = "clock_off"


class Stage(StrEnum):
    """Where a checkpoint stands in its life (domain/life.py); only an open one takes scans."""

    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


_DISTRICT_CHARACTERS = 6


def district_of(area: str) -> str:
    """The district (GB/T 2260) that a node of the area tree lies in; empty for one above the districts."""
    return area[:_DISTRICT_CHARACTERS] if len(area) >= _DISTRICT_CHARACTERS else ""


EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""From when the first version of a checkpoint holds: a scan may be uploaded that is older than the registration."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A registered place where scans are taken, as it holds from a moment on; `area` is a node of the area tree.

    `successor` is set where it was merged into another: scans go there.
    """

    checkpoint_id: UUID
    kind: str
    name: str
    venue: str
    area: str
    venue_code: str
    revision: int = 1
    stage: Stage = Stage.OPEN
    successor: UUID | None = None
    holds_from: datetime = EVER

    @property
    def is_open(self) -> bool:
        return self.stage is Stage.OPEN

    @property
    def district(self) -> str:
        return district_of(self.area)


class Entry(NamedTuple):
    """A person's place on the board: an index in a status list."""

    list: int
    idx: int


class Holders(NamedTuple):
    """Who holds what, of whom it was asked: each known person's entries, and the shown entries that somebody holds.

    The board may know an entry a moment before its holder is known.
    """

    entries: Mapping[UUID, Sequence[Entry]]
    held: Set[Entry]


NO_HOLDERS = Holders({}, frozenset())


@dataclass(frozen=True, slots=True)
class OfflineDecision:
    """What a gate without a network had decided, and from what."""

    decision: str
    refusal: str | None
    policy_version: str
    list_revision: int


class Attempt(NamedTuple):
    """One person, or one vehicle, at a checkpoint, as the gate sent it.

    `person_ref` is the one of the document that was shown, `vehicle_ref` the plate's; `digest` is SHA-256 over the
    content, by which a repeat is told from another scan under the same id; `mask` is None where nobody looked.
    `digest_online` is that of the same content without `offline`: as the gate had sent it before it decided alone.
    `gate_said_at` is the gate's own time where its clock is off (clocks.py); then `scanned_at` is the server's.
    """

    scan_id: UUID
    checkpoint_id: UUID
    scanned_at: datetime
    digest: bytes
    token: str | None = None
    person_ref: UUID | None = None
    vehicle_ref: UUID | None = None
    direction: str | None = None
    temperature_c: float | None = None
    mask: bool | None = None
    offline: OfflineDecision | None = None
    people: tuple[Attempt, ...] = ()
    is_self_reported: bool = False
    digest_online: bytes | None = None
    gate_said_at: datetime | None = None

    def is_recorded_as(self, digest: bytes) -> bool:
        """Whether what was recorded with this digest is this scan, if need be as it came before the gate decided."""
        return digest in (self.digest, self.digest_online)

    def has_fever(self) -> bool:
        return self.temperature_c is not None and self.temperature_c >= FEVER_C

    def names_nobody(self) -> bool:
        """A vehicle about which nothing is known itself: only its people count."""
        is_seen = self.has_fever() or self.mask is False
        return self.token is None and self.person_ref is None and not is_seen

    def is_use_of_a_pass(self) -> bool:
        """A pass was shown to a gate; what a citizen's own phone says is no use of it."""
        return self.token is not None and not self.is_self_reported


class Ruling(NamedTuple):
    """The answer to a scan, as it is given now and whenever the same scan comes again."""

    decision: Decision
    colour: Colour
    refusal: Refusal | None
    policy_version: str
    board_revision: int
    recorded_at: datetime


class Use(NamedTuple):
    """A shown pass at a gate, known by its entry and `issued_at_s` (reuse.py).

    `as_reused` is set where somebody is let in, which uses the pass up: what is decided where it was used before. What
    a gate without a network did stands, so there it is the server's own decision.
    """

    issued_at_s: int
    as_reused: Decision | None = None


class Scan(NamedTuple):
    """An attempt with its ruling: what is recorded, once, and told as ScanRecorded."""

    attempt: Attempt
    checkpoint: Checkpoint
    entry: Entry | None
    ruling: Ruling
    use: Use | None = None
