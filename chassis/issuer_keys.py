"""The public keys of whoever issues bearer tokens: a JWKS file or address, read again every few minutes.

A caller never waits for the issuer while any key is known, an unknown `kid` fetches nothing, and a set that cannot be
read leaves the known keys as they are.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import jwt
import structlog
from jwt.algorithms import ECAlgorithm

log = structlog.get_logger("auth")

_RETRY_S = 5.0
_FETCH_S = 3.0
_BYTES_MAX = 1 << 20


class NoKeys(Exception):
    """No key of the issuer could be read yet."""


class IssuerKeys:
    def __init__(self, jwks: str, *, refresh_s: float, trust: ssl.SSLContext | None = None) -> None:
        self._jwks, self._refresh_s, self._trust = jwks, refresh_s, trust
        self._is_remote = jwks.startswith(("http://", "https://"))
        self._keys: dict[str, Any] = {}
        self._due_at = float("-inf")
        self._loading = threading.Lock()

    def get(self, kid: object) -> Any:
        """The key of that name, None where the issuer has none. Raises `NoKeys` while none at all is known."""
        if time.monotonic() >= self._due_at:
            self._refresh()
        if not self._keys:
            raise NoKeys
        return self._keys.get(kid) if isinstance(kid, str) else None

    def _refresh(self) -> None:
        if not self._loading.acquire(blocking=not self._keys):
            return
        if time.monotonic() < self._due_at:
            self._loading.release()
        elif self._is_remote and self._keys:
            threading.Thread(target=self._load, name="issuer keys", daemon=True).start()
        else:
            self._load()

    def _load(self) -> None:
        """Read the set; the caller has taken the lock."""
        try:
            self._keys = verification_keys(self._document()) or self._keys
            self._due_at = time.monotonic() + (self._refresh_s if self._keys else _RETRY_S)
        except (OSError, ValueError, RecursionError) as error:
            self._due_at = time.monotonic() + _RETRY_S
            log.warning("the issuer's keys could not be read, the known ones stay", error=type(error).__name__)
        finally:
            self._loading.release()

    def _open(self) -> Any:
        return urllib.request.urlopen(self._jwks, timeout=_FETCH_S, context=self._trust)  # noqa: S310 (checked above)

    def _document(self) -> Any:
        if not self._is_remote:
            return json.loads(Path(self._jwks).read_text())
        with self._open() as answer:
            return json.loads(answer.read(_BYTES_MAX))


def verification_keys(document: Any) -> dict[str, Any]:
    """The keys for ES256 of a JWKS by their `kid`; others are passed over. Raises ValueError when it is no key set."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("this is not a JSON Web Key Set")
    keys: dict[str, Any] = {}
    for key in document["keys"]:
        if not isinstance(key, dict) or (key.get("kty"), key.get("crv")) != ("EC", "P-256"):
            continue
        if isinstance(key.get("kid"), str) and key.get("use", "sig") == "sig" and key.get("alg", "ES256") == "ES256":
            try:
                keys[key["kid"]] = ECAlgorithm.from_jwk(key)
            except (jwt.InvalidKeyError, ValueError, TypeError, AttributeError):
                log.warning("a key of the issuer is malformed", kid=key["kid"][:64])
    return keys
