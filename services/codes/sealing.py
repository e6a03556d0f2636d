"""Names, numbers and phones at rest: AES-GCM under a data key, bound to the person and the column they belong to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.settings import SettingsError

_NONCE_BYTES = 12
_KEY_BYTES = 32


class Sealer:
    """A sealed text is: length of the kid (one byte), kid, nonce, ciphertext with tag."""

    def __init__(self, current: str, keys: Mapping[str, bytes]) -> None:
        self._current = current
        self._ciphers = {kid: AESGCM(key) for kid, key in keys.items()}

    def seal(self, text: str, person_ref: UUID, column: str) -> bytes:
        nonce, kid = os.urandom(_NONCE_BYTES), self._current.encode()
        sealed = self._ciphers[self._current].encrypt(nonce, text.encode(), _bound_to(person_ref, column))
        return bytes([len(kid)]) + kid + nonce + sealed

    def open(self, sealed: bytes, person_ref: UUID, column: str) -> str:
        """Raises KeyError for an unknown key, cryptography's InvalidTag for another person or column."""
        start = 1 + sealed[0]
        kid, nonce = sealed[1:start].decode(), sealed[start : start + _NONCE_BYTES]
        text = self._ciphers[kid].decrypt(nonce, sealed[start + _NONCE_BYTES :], _bound_to(person_ref, column))
        return text.decode()


def _bound_to(person_ref: UUID, column: str) -> bytes:
    return person_ref.bytes + column.encode()


def read_data_keys(path: Path) -> Sealer:
    """Raises `SettingsError`."""
    try:
        document = json.loads(path.read_text())
        keys = {str(kid): bytes.fromhex(key) for kid, key in document["keys"].items()}
        current = str(document["current"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"DATA_KEYS_FILE: cannot be used ({type(error).__name__})") from None
    if current not in keys or any(len(key) != _KEY_BYTES for key in keys.values()):
        raise SettingsError("DATA_KEYS_FILE: `current` names one of `keys`, and each has 64 hexadecimal characters")
    return Sealer(current, keys)
