"""The code on a venue's poster: short enough to print under a QR, and nobody can make one up."""

from __future__ import annotations

import hashlib
import hmac
import re
from uuid import UUID

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""
_CHARACTERS = 12
PATTERN = re.compile(f"[{_ALPHABET}]{{{_CHARACTERS}}}")


def venue_code(city_key: bytes, checkpoint_id: UUID) -> str:
    """60 bits of an HMAC under a key of its own, derived from the city's."""
    own_key = hmac.digest(city_key, b"guanka venue code v1", hashlib.sha256)
    value = int.from_bytes(hmac.digest(own_key, checkpoint_id.bytes, hashlib.sha256)[:8], "big") >> 4
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(5 * (_CHARACTERS - 1), -1, -5))
