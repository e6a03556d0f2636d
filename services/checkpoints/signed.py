"""Signed documents that are no passes: policies, lists and bundles, compact JWS under keys that are here already.

One exact form is accepted: a header of `alg` (ES256), `kid` and `typ` and nothing else, under a key that is known for
that very `typ`. Nothing is ever fetched for a `kid`. Passes have a reader of their own (key_ring.py), for speed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from jwt.algorithms import ECAlgorithm

POLICY, STATUS_LIST, BUNDLE = "policy+jwt", "statuslist+jwt", "bundle+jwt"
_HEADER = {"alg", "kid", "typ"}
_KID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)

Keys = Mapping[str, Any]
"""Public keys of one `typ`, by their `kid`."""


class NotSigned(Exception):
    """The document is not signed by a key that is known for it."""


def public_keys(jwks: Mapping[str, Any], typ: str) -> dict[str, Any]:
    """The keys of a JWKS that sign documents of that `typ`. Raises ValueError when it is no key set."""
    listed = jwks.get("keys")
    if not isinstance(listed, list):
        raise ValueError("this is not a JSON Web Key Set")
    keys = {}
    for jwk in listed:
        if isinstance(jwk, Mapping) and (jwk.get("typ"), jwk.get("kty"), jwk.get("crv")) == (typ, "EC", "P-256"):
            if not isinstance(jwk.get("kid"), str) or not _KID.fullmatch(jwk["kid"]):
                raise ValueError("a kid has 1 to 16 letters, digits, - and _")
            try:
                keys[jwk["kid"]] = ECAlgorithm.from_jwk(dict(jwk))
            except (jwt.InvalidKeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{jwk['kid']}: {error}") from None
    return keys


def read_key_file(path: Path, typ: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the JWKS of a file, its keys for `typ`). Raises OSError, or ValueError where there is no such key."""
    jwks = json.loads(path.read_text(encoding="utf-8"))
    keys = public_keys(jwks, typ) if isinstance(jwks, dict) else {}
    if not keys:
        raise ValueError(f"there is no key for {typ}")
    return jwks, keys


def read_signed(token: str, keys: Keys, typ: str) -> dict[str, Any]:
    """The claims of a signed document; times in it are the caller's business. Raises `NotSigned`."""
    try:
        header = jwt.get_unverified_header(token)
        if set(header) != _HEADER or header["typ"] != typ or header["kid"] not in keys:
            raise NotSigned()
        options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
        claims: dict[str, Any] = jwt.decode(token, keys[header["kid"]], algorithms=["ES256"], options=options)  # type: ignore[arg-type]
    except _UNREADABLE:
        raise NotSigned() from None
    return claims


def sign(claims: Mapping[str, Any], *, typ: str, kid: str, private_key: Any) -> str:
    """A document signed; only who holds the private key can: the command line here, the city's office in production."""
    return jwt.encode(dict(claims), private_key, algorithm="ES256", headers={"kid": kid, "typ": typ})
