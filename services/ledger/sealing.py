"""Sealing: names and phones at rest are AES-256-GCM, bound to their person and column, the key's id beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.settings import SettingsError

_NONCE_BYTES = 12


class Sealer:
    """A sealed value is: length of the key id (one byte), key id, nonce (12 bytes), ciphertext with tag."""

    def __init__(self, current: str, keys: Mapping[str, bytes]) -> None:
        self._current = current
        self._keys = {kid: AESGCM(key) for kid, key in keys.items()}

    def seal(self, text: str, *, person_ref: UUID, column: str) -> bytes:
        kid, nonce = self._current.encode(), os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._current].encrypt(nonce, text.encode(), _bound(person_ref, column))
        return bytes([len(kid)]) + kid + nonce + sealed

    def open(self, sealed: bytes, *, person_ref: UUID, column: str) -> str:
        """Raises cryptography's InvalidTag when the value was moved or changed, KeyError when its key is gone."""
        start = 1 + sealed[0]
        kid, nonce = sealed[1:start].decode(), sealed[start : start + _NONCE_BYTES]
        return self._keys[kid].decrypt(nonce, sealed[start + _NONCE_BYTES :], _bound(person_ref, column)).decode()


def _bound(person_ref: UUID, column: str) -> bytes:
    return person_ref.bytes + column.encode()


def read_sealer(path: Path) -> Sealer:
    """Raises `SettingsError`."""
    try:
        document = json.loads(path.read_text())
        keys = {str(kid): bytes.fromhex(key) for kid, key in document["keys"].items()}
        current = str(document["current"])
        if current not in keys or any(len(key) != 32 or not 0 < len(kid) < 256 for kid, key in keys.items()):
            raise ValueError
        return Sealer(current, keys)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f'DATA_KEYS_FILE: {path} is not {{"current": id, "keys": {{id: 64 hex}}}} ({type(error).__name__})'
        ) from None
