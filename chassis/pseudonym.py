"""Names for things that must not be named: the same parts under the same key give the same UUID, and tell nothing."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID


def keyed_uuid(key: bytes, *parts: str) -> UUID:
    """A UUID of version 8 (RFC 9562, section 5.8): the first 122 free bits of HMAC-SHA-256 over the parts.

    Each part is preceded by its length in bytes (four bytes, big endian), so no two lists of parts read the same.
    """
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    value = int.from_bytes(digest.digest()[:16], "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
