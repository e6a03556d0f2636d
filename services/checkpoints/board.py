"""The board: everyone's colour in memory, a replica of codes' status lists; one byte a person.

Two bits of a byte are the colour as the status list has it (0 green, 1 red, 2 yellow, 3 lapsed). The third says that
the entry's passes are void; the rest are room for the age of a test. One thread feeds it (board_feed.py), any may read:
a byte is written whole, and a list's revision is raised after its bytes.
"""

from __future__ import annotations

import hashlib
import re
import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from services.checkpoints.domain.admission import Standing
from services.checkpoints.domain.scans import Colour, Entry

COLOURS = (Colour.GREEN, Colour.RED, Colour.YELLOW, Colour.LAPSED)
_SPREAD = [bytes((byte >> shift) & 3 for byte in range(256)) for shift in (0, 2, 4, 6)]
_COLOUR_BITS = bytes(byte & 3 for byte in range(256))
_VOID_BIT = 0b0000_0100
_VOID = re.compile(b"[" + b"".join(re.escape(bytes([byte])) for byte in range(256) if byte & _VOID_BIT) + b"]")
_TOLD_BITS, _OTHER_BITS = 0b0000_0111, 0b1111_1000


class Applied(Enum):
    """What became of a change: taken, known already, or beyond what is held (a change between is missing)."""

    TAKEN = "taken"
    KNOWN = "known"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class StandingsChange:
    """One change of a list in columns: `colours` has a byte an entry (4 added where its passes are void), `person_refs`
    16 bytes an entry."""

    list: int
    revision: int
    idx: Sequence[int]
    colours: bytes
    person_refs: bytes


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Every list's revision at a moment."""

    revisions: Mapping[int, int]
    at: datetime


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A hash of the board and the revisions that it is of: the same revisions have the same hash in every process."""

    revisions: Mapping[int, int]
    hash: str


class _List:
    """`digest` is that of `digest_revision`: a list that has not changed is not read again for the next hash."""

    __slots__ = ("digest", "digest_revision", "people", "revision")

    def __init__(self, revision: int, people: bytearray) -> None:
        self.revision, self.people = revision, people
        self.digest, self.digest_revision = b"", -1


class Board:
    """`stale_s`: how old the last proof may be that nothing is missing, in seconds."""

    def __init__(self, stale_s: float) -> None:
        self._stale_s = stale_s
        self._lists: dict[int, _List] = {}
        self._complete_at_s = 0.0
        self._changing = threading.Lock()
        self.is_complete = False

    # -- reading -----------------------------------------------------------------------------------------------------

    def standing_of(self, entry: Entry, now_s: float) -> Standing:
        """The entry's colour; `now_s` in Unix seconds. A list that is not here yet has nobody: lapsed."""
        is_stale = now_s - self._complete_at_s > self._stale_s
        held = self._lists.get(entry.list)
        if held is None:
            return Standing(Colour.LAPSED, 0, is_stale)
        if entry.idx >= len(held.people):
            return Standing(Colour.UNKNOWN, held.revision, is_stale, is_void=True)
        person = held.people[entry.idx]
        return Standing(COLOURS[person & 3], held.revision, is_stale, person & _VOID_BIT != 0)

    def age_s(self, now_s: float) -> float:
        """Seconds since the board was last known to miss nothing."""
        return max(0.0, now_s - self._complete_at_s)

    def is_stale(self, now_s: float) -> bool:
        return now_s - self._complete_at_s > self._stale_s

    def revisions(self) -> dict[int, int]:
        return {number: held.revision for number, held in sorted(self._lists.items())}

    def packed(self, number: int) -> tuple[int, bytes]:
        """(revision, two bits a person, least significant first)."""
        with self._changing:
            held = self._lists[number]
            return held.revision, pack(held.people)

    def snapshot(self, number: int) -> tuple[int, bytes, array[int]]:
        """(revision, colours as `packed`, the entries whose passes are void) of one moment."""
        with self._changing:
            held = self._lists[number]
            void = array("I", (match.start() for match in _VOID.finditer(held.people)))
            return held.revision, pack(held.people), void

    def fingerprint(self) -> Fingerprint:
        """As `hash_of` makes it. Costs 3 ms for each list that has changed since the last time."""
        revisions, digests = {}, []
        for number in sorted(self._lists):
            held = self._lists[number]
            with self._changing:
                if held.digest_revision != held.revision:
                    held.digest = list_digest(number, held.revision, pack(held.people))
                    held.digest_revision = held.revision
                revisions[number] = held.revision
                digests.append(held.digest)
        return Fingerprint(revisions, hash_of(digests))

    # -- feeding -----------------------------------------------------------------------------------------------------

    def put(self, number: int, revision: int, packed: bytes, void: Iterable[int] = ()) -> None:
        """Take a whole list, unless what is held is newer; `void` are the entries whose passes are void."""
        people = unpack(packed)
        for idx in void:
            if idx >= len(people):
                raise ValueError("an entry beyond the list")
            people[idx] |= _VOID_BIT
        with self._changing:
            held = self._lists.get(number)
            if held is None or revision >= held.revision:
                self._lists[number] = _List(revision, people)

    def apply(self, change: StandingsChange) -> Applied:
        """Take a change that follows what is held. A list that is not held is a gap, also at its first revision."""
        with self._changing:
            held = self._lists.get(change.list)
            if held is None or change.revision > held.revision + 1:
                return Applied.GAP
            if change.revision <= held.revision:
                return Applied.KNOWN
            people = held.people
            for idx, colour in zip(change.idx, change.colours, strict=True):
                people[idx] = people[idx] & _OTHER_BITS | colour & _TOLD_BITS
            held.revision = change.revision
            return Applied.TAKEN

    def is_behind(self, revisions: Mapping[int, int]) -> list[int]:
        """The lists whose revision is higher than what is held."""
        return [n for n, revision in revisions.items() if n not in self._lists or self._lists[n].revision < revision]

    def mark_complete(self, at_s: float) -> None:
        """Nothing that had changed by then is missing."""
        self._complete_at_s = max(self._complete_at_s, at_s)
        self.is_complete = True


def unpack(packed: bytes) -> bytearray:
    """Two bits a person (least significant first) → one byte a person."""
    people = bytearray(len(packed) * 4)
    for place, spread in enumerate(_SPREAD):
        people[place::4] = packed.translate(spread)
    return people


def pack(people: bytearray) -> bytes:
    """One byte a person → two bits (least significant first); what else is in the byte is left out."""
    colours = people.translate(_COLOUR_BITS)
    size = len(colours) // 4
    packed = 0
    for place in range(4):
        packed |= int.from_bytes(colours[place::4], "little") << (2 * place)
    return packed.to_bytes(size, "little")


def list_digest(number: int, revision: int, packed: bytes) -> bytes:
    """SHA-256 over a list's number (4 bytes), revision (8 bytes, both big endian) and packed content."""
    return hashlib.sha256(number.to_bytes(4, "big") + revision.to_bytes(8, "big") + packed).digest()


def hash_of(digests: Iterable[bytes]) -> str:
    """SHA-256 over the digests of all lists, in the order of their numbers."""
    return hashlib.sha256(b"".join(digests)).hexdigest()
