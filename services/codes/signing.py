"""What codes signs, and with which keys: shown passes, printed passes, status lists. Each kind has keys of its own."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from chassis.settings import SettingsError
from services.codes.domain.passes import PASS_CHARACTERS_MAX, PASS_LIVES, PassKind
from services.codes.domain.people import Entry
from services.codes.domain.permutation import LIST_SIZE

Kind = Literal["pass", "printed-pass", "status-list"]
TYPES: Mapping[Kind, str] = {"pass": "pass+jwt", "printed-pass": "printed-pass+jwt", "status-list": "statuslist+jwt"}
_PASS_KEYS: Mapping[PassKind, Kind] = {"shown": "pass", "printed": "printed-pass"}
LISTS_MAX = 99
_ALGORITHM = "ES256"
_ES256 = ECDSA(SHA256())


@dataclass(frozen=True)
class SigningKey:
    kid: str
    kind: Kind
    private_key: EllipticCurvePrivateKey
    not_before: datetime

    @cached_property
    def header(self) -> bytes:
        """The first segment of what this key signs."""
        written = orjson.dumps({"alg": _ALGORITHM, "kid": self.kid, "typ": TYPES[self.kind]})
        return urlsafe_b64encode(written).rstrip(b"=")


class SigningKeys:
    """Of each kind the newest key whose time has come signs; all are published, so that readers know them in time."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        newest_first = sorted(keys, key=lambda key: key.not_before, reverse=True)
        self._keys = {kind: [key for key in newest_first if key.kind == kind] for kind in TYPES}

    def current(self, kind: Kind, now: datetime) -> SigningKey:
        """Raises LookupError where no key's time has come."""
        for key in self._keys[kind]:
            if key.not_before <= now:
                return key
        raise LookupError(f"no {kind} key may be used yet")

    def sign(self, kind: Kind, claims: dict[str, Any], now: datetime) -> str:
        key = self.current(kind, now)
        return jwt.encode(claims, key.private_key, _ALGORITHM, headers={"kid": key.kid, "typ": TYPES[kind]})

    def sign_lean(self, kind: Kind, claims: dict[str, Any], now: datetime) -> str:
        """As `sign`, for passes: a JOSE library takes as long around a signature as the signature takes."""
        key = self.current(kind, now)
        signed = key.header + b"." + urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=")
        r, s = decode_dss_signature(key.private_key.sign(signed, _ES256))
        signature = urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=")
        return (signed + b"." + signature).decode("ascii")

    def jwks(self) -> dict[str, Any]:
        """The public keys; `typ` tells what each signs."""
        return {
            "keys": [
                ECAlgorithm.to_jwk(key.private_key.public_key(), as_dict=True)
                | {"kid": key.kid, "use": "sig", "alg": _ALGORITHM, "typ": TYPES[kind]}
                for kind, keys in self._keys.items()
                for key in keys
            ]
        }


_BACK_S_MAX = 7
"""So many seconds of its life a pass may have behind it when it is minted."""
_REMEMBERED_S = 10


class PassPress:
    """Mints passes: a handle and how long it holds, never a colour, so that a screenshot proves nothing (D5).

    A shown pass is used up at a gate, and known there by the second in which it was issued. So of two that are minted
    for a person within a second, the second one is issued a second earlier: both can be used, and none lies ahead.
    """

    def __init__(self, keys: SigningKeys, status_list_uri: str) -> None:
        self._keys, self._uri = keys, status_list_uri
        self._issued: dict[Entry, tuple[int, int]] = {}
        self._remembered_until_s = 0

    def mint(self, kind: PassKind, entry: Entry, now: datetime) -> tuple[str, datetime]:
        """The pass and the moment it ends, in whole seconds."""
        issued = now.replace(microsecond=0)
        if kind == "shown":
            issued -= timedelta(seconds=self._back_s(entry, int(issued.timestamp())))
        ends_at = issued + PASS_LIVES[kind]
        claims = {
            "iat": int(issued.timestamp()),
            "exp": int(ends_at.timestamp()),
            "status": {"status_list": {"idx": entry.idx, "uri": f"{self._uri}/{entry.list}"}},
        }
        return self._keys.sign_lean(_PASS_KEYS[kind], claims, now), ends_at

    def _back_s(self, entry: Entry, now_s: int) -> int:
        """How many seconds ago the person's next pass is issued: the fewest in which none was.

        Remembered is (a second, a bit for each second back from it in which a pass was issued).
        """
        if now_s > self._remembered_until_s:
            self._issued = {each: seen for each, seen in self._issued.items() if seen[0] >= now_s - _BACK_S_MAX}
            self._remembered_until_s = now_s + _REMEMBERED_S
        since_s, issued = self._issued.get(entry, (now_s, 0))
        issued = issued << min(max(0, now_s - since_s), _BACK_S_MAX + 1) & (1 << _BACK_S_MAX + 1) - 1
        free = ~issued & issued + 1
        back_s = min(free.bit_length() - 1, _BACK_S_MAX)
        self._issued[entry] = now_s, issued | 1 << back_s
        return back_s

    def check_sizes(self, now: datetime) -> None:
        """Raises `SettingsError` when a pass could outgrow its QR code."""
        for kind in PASS_LIVES:
            size = len(self.mint(kind, Entry(LISTS_MAX, LIST_SIZE - 1), now)[0])
            if size > PASS_CHARACTERS_MAX:
                raise SettingsError(
                    f"STATUS_LIST_URI: a {kind} pass would have {size} characters, {PASS_CHARACTERS_MAX} are allowed; "
                    f"shorten the address or the kid"
                )


def read_signing_keys(path: Path) -> SigningKeys:
    """Raises `SettingsError` that names every problem of the file."""
    try:
        document = json.loads(path.read_text())
        written = {kind: list(document[kind]) for kind in TYPES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"SIGNING_KEYS_FILE: cannot be used ({type(error).__name__}: {error})") from None
    problems: list[str] = []
    keys = [_key_of(kind, each, problems) for kind, listed in written.items() for each in listed]
    kids = [key.kid for key in keys if key is not None]
    problems += [f"two keys have the kid {kid}" for kid in sorted({kid for kid in kids if kids.count(kid) > 1})]
    problems += [f"there is no {kind} key" for kind, listed in written.items() if not listed]
    if problems:
        raise SettingsError("\n".join(f"SIGNING_KEYS_FILE: {problem}" for problem in problems))
    return SigningKeys([key for key in keys if key is not None])


def _key_of(kind: Kind, written: Any, problems: list[str]) -> SigningKey | None:
    try:
        kid, not_before = str(written["kid"]), datetime.fromisoformat(written["not_before"])
        private_key = load_pem_private_key(written["private_key_pem"].encode(), None)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problems.append(f"a {kind} key is not complete ({type(error).__name__})")
        return None
    if not re.fullmatch("[A-Za-z0-9_-]{1,16}", kid):
        problems.append(f"the kid of a {kind} key has 1 to 16 letters, digits, - and _")
    elif not_before.tzinfo is None:
        problems.append(f"{kid}: not_before carries an offset")
    elif not isinstance(private_key, EllipticCurvePrivateKey) or not isinstance(private_key.curve, SECP256R1):
        problems.append(f"{kid}: is a key on the curve P-256")
    else:
        return SigningKey(kid, kind, private_key, not_before)
    return None
