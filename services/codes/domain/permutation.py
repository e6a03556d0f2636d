"""Which entry of a status list the next person gets: a random permutation, so that an index tells nothing of anybody.

A Feistel network over 20 bits, keyed per list. It needs no memory of what is given out: position k of the permutation
is free as long as k was not given out.
"""

from __future__ import annotations

from hashlib import blake2s

LIST_BITS = 20
LIST_SIZE = 1 << LIST_BITS
LIST_FULL_AT = LIST_SIZE * 8 // 10
"""A list takes no more than 80 % of its entries; then the next one opens."""

_HALF_BITS = LIST_BITS // 2
_HALF_MASK = (1 << _HALF_BITS) - 1
_ROUNDS = 8


def permuted(position: int, key: bytes) -> int:
    """The index at a position of the permutation under `key` (1 to 32 bytes). Raises ValueError outside the list."""
    if not 0 <= position < LIST_SIZE:
        raise ValueError("the position lies outside the list")
    left, right = position >> _HALF_BITS, position & _HALF_MASK
    for turn in range(_ROUNDS):
        digest = blake2s(bytes((turn, right >> 8, right & 0xFF)), key=key, digest_size=2).digest()
        left, right = right, left ^ (int.from_bytes(digest, "big") & _HALF_MASK)
    return left << _HALF_BITS | right


def place_of(number: int) -> tuple[int, int]:
    """(list, position) of the number-th person, counted from 0; lists are numbered from 1."""
    return number // LIST_FULL_AT + 1, number % LIST_FULL_AT
