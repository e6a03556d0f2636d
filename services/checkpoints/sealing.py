"""Names, numbers, phones and notes at rest: AES-GCM under a data key, bound to whom and to which column they belong."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES, _KEY_BYTES = 12, 32


class Sealer:
    """A sealed text is: length of the kid (one byte), kid, nonce, ciphertext with tag."""

    def __init__(self, current: str, keys: Mapping[str, bytes]) -> None:
        self._current = current
        self._ciphers = {kid: AESGCM(key) for kid, key in keys.items()}

    def seal(self, text: str, *, owner: UUID, column: str) -> bytes:
        """`owner` is the person, or the shift that a note belongs to."""
        nonce, kid = os.urandom(_NONCE_BYTES), self._current.encode()
        sealed = self._ciphers[self._current].encrypt(nonce, text.encode(), owner.bytes + column.encode())
        return bytes([len(kid)]) + kid + nonce + sealed

    def open(self, sealed: bytes, *, owner: UUID, column: str) -> str:
        """Raises KeyError for an unknown key, cryptography's InvalidTag for another owner or column."""
        start = 1 + sealed[0]
        kid, nonce = sealed[1:start].decode(), sealed[start : start + _NONCE_BYTES]
        text = self._ciphers[kid].decrypt(nonce, sealed[start + _NONCE_BYTES :], owner.bytes + column.encode())
        return text.decode()


def read_sealer(path: Path) -> Sealer:
    """Raises ValueError, or OSError, when the file does not hold data keys."""
    try:
        document = json.loads(path.read_text())
        keys = {str(kid): bytes.fromhex(key) for kid, key in document["keys"].items()}
        current = str(document["current"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"cannot be used ({type(error).__name__})") from None
    if current not in keys or any(len(key) != _KEY_BYTES or not 0 < len(kid) < 256 for kid, key in keys.items()):
        raise ValueError("`current` names one of `keys`, and each has 64 hexadecimal characters")
    return Sealer(current, keys)
