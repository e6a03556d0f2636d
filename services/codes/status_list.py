"""The colour of everyone as an IETF Token Status List: two bits an entry, least significant bits first, compressed.

Also the compact columns in which other services read it. Compression is zlib's level 1: higher ones take seconds for
what is mostly noise.
"""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.codes.domain.colours import VOID_BIT, Colour
from services.codes.domain.permutation import LIST_SIZE

BITS = 2
TTL = timedelta(seconds=60)
"""How long a reader may keep the list before it asks again; as long, no new one is signed."""

LIFETIME = timedelta(days=7)
"""A list is over by itself after this time, however it was kept; a city's list never stays unchanged for so long."""

_COLOUR_BITS = 3
_IS_VOID = bytes(value & VOID_BIT for value in range(256))
_UNASSIGNED = bytes([Colour.LAPSED])


@dataclass(frozen=True, slots=True)
class Standings:
    """One list at one revision: the columns of all assigned entries, ordered by idx.

    `idx` big-endian uint32, `colours` one byte each (with `VOID_BIT`), `person_refs` 16 bytes each (empty where not
    asked for).
    """

    list: int
    revision: int
    idx: bytes
    colours: bytes
    person_refs: bytes
    epoch: int = 0

    def packed(self) -> bytes:
        values = bytearray(_UNASSIGNED * LIST_SIZE)
        for idx, colour in zip(self.indices(), self.colours, strict=True):
            values[idx] = colour & _COLOUR_BITS
        return pack(values)

    def void(self) -> array[int]:
        """The indices whose passes do not hold, as native integers; few."""
        if not any(self.colours.translate(_IS_VOID)):
            return array("I")
        return array("I", (idx for idx, value in zip(self.indices(), self.colours, strict=True) if value & VOID_BIT))

    def indices(self) -> array[int]:
        """The indices as native integers."""
        indices = array("I", self.idx)
        if sys.byteorder == "little":
            indices.byteswap()
        return indices


def pack(values: bytes | bytearray) -> bytes:
    """Four entries a byte; the number of values is a multiple of four."""
    size = len(values) // 4
    packed = 0
    for place in range(4):
        packed |= int.from_bytes(values[place::4], "little") << (BITS * place)
    return packed.to_bytes(size, "little")


def compressed(content: bytes) -> bytes:
    return zlib.compress(content, level=1)


def status_list_of(packed: bytes) -> dict[str, Any]:
    """The member `status_list` of the signed list."""
    lst = base64.urlsafe_b64encode(compressed(packed)).rstrip(b"=").decode()
    return {"bits": BITS, "lst": lst}


def claims_of(standings: Standings, uri: str, now: datetime) -> dict[str, Any]:
    """`sub` equals the `uri` in a pass. `void_entries`, as `columns_of` writes them, are there where there are any."""
    issued = int(now.timestamp())
    void = standings.void()
    claims: dict[str, Any] = {
        "sub": uri,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "ttl": int(TTL.total_seconds()),
        "epoch": standings.epoch,
        "revision": standings.revision,
        "status_list": status_list_of(standings.packed()),
    }
    return claims | {"void_entries": _text(_little(void))} if void else claims


def columns_of(standings: Standings, *, with_persons: bool) -> dict[str, Any]:
    """What `/v1/standings/{n}` answers: base64 of zlib of packed colours, little-endian uint32 indices, references.
    `void`, the indices whose passes do not hold, is only there where there are any."""
    columns: dict[str, Any] = {
        "list": standings.list,
        "revision": standings.revision,
        "size": LIST_SIZE,
        "colours": _text(standings.packed()),
    }
    if void := standings.void():
        columns["void"] = _text(_little(void))
    if with_persons:
        columns |= {"idx": _text(_little(standings.indices())), "person_refs": _text(standings.person_refs)}
    return columns


def _little(indices: array[int]) -> bytes:
    """Native integers as little-endian uint32."""
    if sys.byteorder == "big":
        indices.byteswap()
    return indices.tobytes()


def _text(content: bytes) -> str:
    return base64.b64encode(compressed(content)).decode()
