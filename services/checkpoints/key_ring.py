"""The keys that passes are signed with, and the one place that reads a pass.

A pass is verified by hand, without a JOSE library, because this is most of a scan's cost. What is accepted is one exact
form: three segments in canonical base64url, a header of `alg`, `kid` and `typ` and nothing else, ES256 by a key that is
already here, known for that very `typ`. Whatever differs is forged, and nothing is ever fetched for it.
"""

from __future__ import annotations

import re
import threading
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from services.checkpoints.domain.passes import PRINTED, SHOWN, PassClaims, ReadPass, fault_of
from services.checkpoints.domain.policy import Shown
from services.checkpoints.domain.scans import Entry, Refusal

log = structlog.get_logger("key_ring")

TOKEN_CHARACTERS_MAX = 400
_KID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_LIST = re.compile(r"[1-9][0-9]{0,5}")
_HEADER_MEMBERS = {"alg", "kid", "typ"}
_HEADERS_MAX = 1000
_IDX_MAX = 2**31 - 1
_ES256 = ECDSA(SHA256())
_SHOWN = {SHOWN: Shown.SHOWN_PASS, PRINTED: Shown.PRINTED_PASS}


@dataclass(frozen=True, slots=True)
class PassKey:
    """A public key and the one type of pass that it signs."""

    type: str
    public: EllipticCurvePublicKey


class KeyRing:
    """`status_list_uri` is what the address in a pass begins with; `/<list>` follows."""

    def __init__(self, status_list_uri: str) -> None:
        self._uri_start = status_list_uri.rstrip("/") + "/"
        self._keys: dict[str, PassKey] = {}
        self._headers: dict[str, PassKey | None] = {}
        self._putting = threading.Lock()

    def put(self, jwks: Mapping[str, Any]) -> bool:
        """Hold exactly the keys of a JWKS; False (and nothing changed) when it holds none for passes."""
        keys = {key["kid"]: pass_key for key in jwks.get("keys", ()) if (pass_key := _pass_key(key)) is not None}
        if not keys:
            return False
        with self._putting:
            self._keys, self._headers = keys, {}
        return True

    def has_keys(self) -> bool:
        return bool(self._keys)

    def read(self, token: str, at: datetime, on_the_way_s: float = 0.0) -> ReadPass | Refusal:
        """Where on the board the pass points, or why it does not count at that moment (passes.py)."""
        if len(token) > TOKEN_CHARACTERS_MAX or token.count(".") != 2:
            return Refusal.PASS_FORGED
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        key = self._key_of(header)
        if key is None or not _is_signed(key.public, signed, signature):
            return Refusal.PASS_FORGED
        return self._read(key.type, payload, at.timestamp(), on_the_way_s)

    def shown_by(self, token: str) -> Shown | None:
        """What kind of pass it claims to be, under a key that is known; the signature is not looked at."""
        key = self._key_of(token.partition(".")[0])
        return None if key is None else _SHOWN[key.type]

    def entry_in(self, token: str) -> Entry | None:
        """Where a pass claims to point. The signature is not looked at, so nothing may follow from it but a look."""
        header, _, rest = token.partition(".")
        key = self._key_of(header)
        found = None if key is None else self._read(key.type, rest.partition(".")[0], None)
        return found.entry if isinstance(found, ReadPass) else None

    def _key_of(self, header: str) -> PassKey | None:
        """The key that a header names; all passes of one key have the same header, so the answer is remembered."""
        headers = self._headers
        try:
            return headers[header]
        except KeyError:
            if len(headers) >= _HEADERS_MAX:
                headers.clear()
            key = headers[header] = self._read_header(header)
            return key

    def _read_header(self, segment: str) -> PassKey | None:
        try:
            header = orjson.loads(_decoded(segment))
        except ValueError:
            return None
        if not isinstance(header, dict) or set(header) != _HEADER_MEMBERS or header["alg"] != "ES256":
            return None
        kid = header["kid"]
        key = self._keys.get(kid) if isinstance(kid, str) and _KID.fullmatch(kid) else None
        return key if key is not None and key.type == header["typ"] else None

    def _read(self, kind: str, payload: str, at_s: float | None, on_the_way_s: float = 0.0) -> ReadPass | Refusal:
        """Without a moment, whether the pass is good then is not asked."""
        try:
            claims = orjson.loads(_decoded(payload))
            issued_at_s, expires_at_s = claims["iat"], claims["exp"]
            status = claims["status"]["status_list"]
            idx, uri = status["idx"], status["uri"]
        except (ValueError, KeyError, TypeError):
            return Refusal.PASS_FORGED
        if not (type(issued_at_s) is type(expires_at_s) is type(idx) is int and type(uri) is str):
            return Refusal.PASS_FORGED
        number = uri.removeprefix(self._uri_start)
        if not 0 <= idx <= _IDX_MAX or len(number) == len(uri) or not _LIST.fullmatch(number):
            return Refusal.PASS_FORGED
        good_for = PassClaims(kind, issued_at_s, expires_at_s)
        fault = None if at_s is None else fault_of(good_for, at_s, on_the_way_s)
        if fault is not None:
            return fault
        return ReadPass(Entry(int(number), idx), issued_at_s if kind == SHOWN else None)


def _is_signed(key: EllipticCurvePublicKey, signed: str, signature: str) -> bool:
    try:
        raw = _decoded(signature)
        if len(raw) != 64:
            return False
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.verify(der, signed.encode("ascii"), _ES256)
    except (ValueError, InvalidSignature):
        return False
    return True


_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_BASE64 = bytes(byte if byte in _LETTERS else ord("!") for byte in range(256)).translate(
    bytes.maketrans(b"-_", b"+/")
)
"""Each letter of base64url as base64's; everything else as a letter that neither has."""
_ENDINGS = (frozenset(_LETTERS), frozenset[int](), frozenset(_LETTERS[::16]), frozenset(_LETTERS[::4]))
"""By what is left over of whole groups of four: the last letters whose unused bits are zero."""
_PADDING = (b"", b"", b"==", b"=")


def _decoded(segment: str) -> bytes:
    """Base64url without padding. Raises ValueError for any other spelling, also of the unused last bits."""
    letters, over = segment.encode("ascii"), len(segment) % 4
    if letters and letters[-1] not in _ENDINGS[over]:
        raise ValueError("not canonical base64url")
    return a2b_base64(letters.translate(_TO_BASE64) + _PADDING[over], strict_mode=True)


def _pass_key(jwk: Mapping[str, Any]) -> PassKey | None:
    """The key of a JWK that signs passes; None for every other kind."""
    if jwk.get("typ") not in (SHOWN, PRINTED) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        return None
    try:
        if not _KID.fullmatch(jwk["kid"]):
            raise ValueError("kid")
        x, y = (int.from_bytes(_decoded(jwk[name]), "big") for name in ("x", "y"))
        return PassKey(jwk["typ"], EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key())
    except (ValueError, KeyError, TypeError) as error:
        log.warning("a key of codes cannot be read", error=type(error).__name__)
        return None
