"""Passes that the load's clients mint themselves at the moment of sending, with the load stack's own signing key.

Signed with `cryptography` directly: a JOSE library would cost the generator as much again as the signature.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

LIFE_S, PRINTED_LIFE_S = 60, 180 * 86_400
_ES256 = ec.ECDSA(SHA256())


def make_signing_keys(not_before: datetime) -> str:
    """The content of codes' `SIGNING_KEYS_FILE`: one key of each kind, usable from `not_before` on."""
    keys = {kind: [_signing_key(kind, not_before)] for kind in ("pass", "printed-pass", "status-list")}
    return json.dumps(keys)


def _signing_key(kind: str, not_before: datetime) -> dict[str, str]:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "kid": f"load-{kind[:2]}-{secrets.token_hex(2)}",
        "private_key_pem": pem.decode(),
        "not_before": not_before.isoformat(),
    }


_Signer = tuple[bytes, Callable[[bytes, ec.ECDSA], bytes]]
"""The first segment of what is signed, and what signs."""


def _signer(key: dict[str, str], typ: str) -> _Signer:
    private = serialization.load_pem_private_key(key["private_key_pem"].encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return _segment(json.dumps({"alg": "ES256", "kid": key["kid"], "typ": typ}).encode()) + b".", private.sign


class Mint:
    """Mints passes as codes does (docs/architecture.md, D5); `keys` is a file of `make_signing_keys`."""

    def __init__(self, keys: Path, status_list_uri: str) -> None:
        kept = json.loads(keys.read_text())
        self._uri = status_list_uri
        self._shown = _signer(kept["pass"][0], "pass+jwt")
        self._printed = _signer(kept["printed-pass"][0], "printed-pass+jwt")

    def shown(self, number: int, idx: int, at_s: float) -> bytes:
        """A pass of the entry `idx` of list `number`, minted at a moment (Unix seconds)."""
        return self._minted(self._shown, number, idx, int(at_s), LIFE_S)

    def printed(self, number: int, idx: int, at_s: float) -> bytes:
        """The same, printed: it lives half a year, and using it uses nothing up."""
        return self._minted(self._printed, number, idx, int(at_s), PRINTED_LIFE_S)

    def _minted(self, signer: _Signer, number: int, idx: int, issued: int, life_s: int) -> bytes:
        header, sign = signer
        claims = '{"iat":%d,"exp":%d,"status":{"status_list":{"idx":%d,"uri":"%s/%d"}}}' % (  # noqa: UP031 (the cheapest)
            issued,
            issued + life_s,
            idx,
            self._uri,
            number,
        )
        signed = header + _segment(claims.encode())
        r, s = decode_dss_signature(sign(signed, _ES256))
        return signed + b"." + _segment(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _segment(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
