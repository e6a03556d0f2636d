"""The signature over a whole bundle: what a gate is told belongs together, is of now, and comes from this city.

Policies and lists are signed by themselves, so an impostor could give a gate old ones beside new ones, another
checkpoint's kind, or times of his own. The signature covers everything: each member of the bundle, the digest of each
list, and the nonce with which the gate has asked, so that a bundle of before answers nobody.

The key is derived from the city's key (HKDF, RFC 5869): every api process has the same one, and there is no further
secret to keep. Gates keep its public half with the keys of policies, from their first bundle or from `--policy-keys`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import ECAlgorithm

from services.checkpoints.signed import BUNDLE, Keys, NotSigned, read_signed, sign

NONCE_PATTERN = r"^[A-Za-z0-9_-]{16,64}$"
_LABEL = b"guanka: the key that signs bundles, 1"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the group of P-256 (SEC 2)."""


class BundleSigner:
    def __init__(self, city_key: bytes) -> None:
        derived = HKDF(SHA256(), length=48, salt=None, info=_LABEL).derive(city_key)
        number = int.from_bytes(derived, "big") % (_ORDER - 1) + 1
        self._key = ec.derive_private_key(number, ec.SECP256R1())
        self._public: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        self._kid = "bd-" + hashlib.sha256(self._public["x"].encode()).hexdigest()[:8]

    def public_jwk(self) -> dict[str, Any]:
        return self._public | {"kid": self._kid, "use": "sig", "alg": "ES256", "typ": BUNDLE}

    def signed(self, bundle: Mapping[str, Any]) -> dict[str, Any]:
        """The bundle with its `signature`."""
        claims = {"sha256": digest_of(bundle)}
        return {**bundle, "signature": sign(claims, typ=BUNDLE, kid=self._kid, private_key=self._key)}


def digest_of(bundle: Mapping[str, Any]) -> str:
    """SHA-256 over all members in one spelling; a list stands there by its digest, for its token may be left out."""
    whole = {name: value for name, value in bundle.items() if name != "signature"}
    whole["status_lists"] = [{**each, "token": None} for each in bundle["status_lists"]]
    return text_of(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS))


def text_of(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def require_signed(bundle: Mapping[str, Any], keys: Keys) -> None:
    """Raises `NotSigned` where any member is not what was signed, and KeyError, TypeError where it is no bundle."""
    if read_signed(bundle["signature"], keys, BUNDLE).get("sha256") != digest_of(bundle):
        raise NotSigned()
