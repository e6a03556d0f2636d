"""Passes that codes never signed, made from some that it did: none may be read as good.

`python -m tests.fuzz.passes --count 1000000` is the long run by hand; the same seed makes the same passes.

Not among them: the other half of an ECDSA signature (`n − s` for `s`). Whoever has a pass can write that down without
any key; it is the same pass, with the same claims, and the standard calls the signature good.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import random
import string
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.checkpoints.domain.scans import Refusal
from services.checkpoints.key_ring import KeyRing

URI = "https://guanka.example/s"
NOW_S = 1_795_330_000
_SIGNING = ec.ECDSA(SHA256(), deterministic_signing=True)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ALPHABET = string.ascii_letters + string.digits + "-_"
_ODD = "=+/ \n\t\x00.,é关\u200b\ufeff𝟎"
_STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 2**31, 2**53, 2**63, 2**64, 10**400, 1e308),
    *("", "0", "１", "x" * 300, [], [1], {}, {"a": 1}),
)
_KIDS: tuple[Any, ...] = (
    *("../../../../dev/null", "/etc/passwd", "shown-1' OR '1'='1", "http://evil.example/jwks.json", "ｓhown-1"),
    *("shown-1\x00", "SHOWN-1", " shown-1", "shown-1 ", "shown-1\n", "", "x" * 17, "x" * 300),
    *(1, None, True, ["shown-1"], {"kid": "shown-1"}),
)
_ALGORITHMS: tuple[Any, ...] = (
    *("none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "PS256", "ES384", "ES512", "ES256K"),
    *("EdDSA", "es256", "ES256 ", ["ES256"], None, 256),
)
_POINTERS = ("jku", "x5u", "jwk", "x5c", "x5t", "crit", "b64", "enc", "zip", "cty", "url", "nonce")

Segments = tuple[bytes, bytes, bytes]


class Keys(NamedTuple):
    """Of codes, for each type that it signs: `kinds` of a mint says under which names."""

    shown: ec.EllipticCurvePrivateKey
    printed: ec.EllipticCurvePrivateKey
    lists: ec.EllipticCurvePrivateKey


class Mint:
    """Keys of codes, a stranger's key, and good passes of both types, all of one moment (Unix seconds).

    Without `keys` it makes its own. `entries` are places in list 1: good passes point there, and so do mutated ones
    whose place is not what was changed, so that nothing but the mutation keeps their holders out.
    """

    def __init__(
        self,
        chance: random.Random,
        *,
        keys: Keys | None = None,
        now_s: int = NOW_S,
        entries: Sequence[int] = range(64),
    ) -> None:
        self.chance, self.now_s, self.entries = chance, now_s, entries
        *own, self.stranger = (ec.derive_private_key(chance.randrange(1, _ORDER), ec.SECP256R1()) for _ in range(4))
        self.shown, self.printed, self.lists = keys or Keys(*own)
        self.good = [self.pass_of(idx, is_printed=n % 3 == 0) for n, idx in enumerate(entries)]
        self._known = frozenset(self.good)

    def ring(self) -> KeyRing:
        ring = KeyRing(URI)
        ring.put({"keys": [jwk(*each) for each in self.kinds()]})
        return ring

    def kinds(self) -> list[tuple[str, str, ec.EllipticCurvePrivateKey]]:
        return [
            ("shown-1", "pass+jwt", self.shown),
            ("printed-1", "printed-pass+jwt", self.printed),
            ("list-1", "statuslist+jwt", self.lists),
        ]

    def pass_of(self, idx: int, *, is_printed: bool = False) -> str:
        kid, typ, key = self.kinds()[is_printed]
        return signed(header_of(kid, typ), self.claims_of(idx, 180 * 86_400 if is_printed else 60), key)

    def claims_of(self, idx: int, life_s: int, *, issued_s_ago: int = 10) -> dict[str, Any]:
        issued_at_s = self.now_s - issued_s_ago
        status = {"status_list": {"idx": idx, "uri": f"{URI}/1"}}
        return {"iat": issued_at_s, "exp": issued_at_s + life_s, "status": status}

    def any_good(self) -> str:
        return self.chance.choice(self.good)

    def mutated(self, family: Callable[[Mint], str]) -> str:
        """A pass of a family; one that came out as it went in is not counted."""
        while (token := family(self)) in self._known:
            continue
        return token

    def any_entry(self) -> int:
        return self.chance.choice(self.entries)


def header_of(kid: str, typ: str) -> dict[str, Any]:
    return {"alg": "ES256", "kid": kid, "typ": typ}


def jwk(kid: str, typ: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    x, y = (encoded(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid, "typ": typ, "x": x, "y": y}


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def signed(header: object, claims: object, key: ec.EllipticCurvePrivateKey) -> str:
    content = f"{encoded(_json(header))}.{encoded(_json(claims))}"
    r, s = decode_dss_signature(key.sign(content.encode(), _SIGNING))
    return f"{content}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def split(token: str) -> Segments:
    header, payload, signature = token.split(".")
    return decoded(header), decoded(payload), decoded(signature)


def joined(segments: Segments) -> str:
    return ".".join(encoded(segment) for segment in segments)


# -- the families ----------------------------------------------------------------------------------------------------


def text_changed(mint: Mint) -> str:
    """A few characters of the token replaced, inserted, deleted or repeated."""
    characters = list(mint.any_good())
    for _ in range(mint.chance.choice((1, 1, 1, 2, 5))):
        at = mint.chance.randrange(len(characters))
        character = mint.chance.choice(_ALPHABET if mint.chance.random() < 0.7 else _ODD)
        match mint.chance.randrange(4):
            case 0:
                characters[at] = character
            case 1:
                characters.insert(at, character)
            case 2:
                del characters[at]
            case _:
                characters[at:at] = characters[at : at + mint.chance.randrange(1, 8)]
    return "".join(characters)


def wrapped(mint: Mint) -> str:
    """Something before, behind or between."""
    token, odd = mint.any_good(), mint.chance.choice(_ODD) * mint.chance.randrange(1, 4)
    around = (odd + token, token + odd, "." + token, f"{token}.{token}", "..", "")
    within = (token.replace(".", odd + ".", 1), token.replace(".", ".."), token[: -len(odd)], token.swapcase())
    return mint.chance.choice((*around, *within, token.rpartition(".")[0]))


def bits_flipped(mint: Mint) -> str:
    """Bits of a decoded segment."""
    segments = list(split(mint.any_good()))
    at = mint.chance.randrange(3)
    raw = bytearray(segments[at])
    for _ in range(mint.chance.choice((1, 1, 2, 8))):
        raw[mint.chance.randrange(len(raw))] ^= 1 << mint.chance.randrange(8)
    segments[at] = bytes(raw)
    return joined((segments[0], segments[1], segments[2]))


def crossed(mint: Mint) -> str:
    """Segments of two good passes, in any order."""
    segments = [*mint.any_good().split("."), *mint.any_good().split(".")]
    return ".".join(mint.chance.sample(segments, 3))


def claims_changed(mint: Mint) -> str:
    """Other claims under the old signature."""
    header, payload, signature = split(mint.any_good())
    claims = json.loads(payload)
    match mint.chance.randrange(3):
        case 0:
            claims["exp"] += mint.chance.randrange(1, 10**6)
        case 1:
            claims["status"]["status_list"]["idx"] += mint.chance.randrange(1, 10**6)
        case _:
            claims[mint.chance.choice(("iat", "exp", "status"))] = mint.chance.choice(_STRANGE)
    return joined((header, _json(claims), signature))


def signature_changed(mint: Mint) -> str:
    header, payload, signature = split(mint.any_good())
    r, s = signature[:32], signature[32:]
    zero, order = bytes(32), _ORDER.to_bytes(32, "big")
    noise = mint.chance.randbytes(mint.chance.choice((64, 64, 63, 65, 0, 1, 96, 128)))
    der = mint.stranger.sign(payload, _SIGNING)
    numbers = (zero + zero, r + zero, zero + s, s + r, order + s, r + order)
    forms = (b"", r, signature + b"\0", b"\0" + signature, noise, der)
    return joined((header, payload, mint.chance.choice((*numbers, *forms))))


def algorithm_swapped(mint: Mint) -> str:
    """`none`, a MAC with the public key as its secret, and names of other algorithms."""
    header, payload, signature = split(mint.any_good())
    head = json.loads(header) | {"alg": mint.chance.choice(_ALGORITHMS)}
    content = f"{encoded(_json(head))}.{encoded(payload)}"
    public = mint.shown.public_key()
    secret = mint.chance.choice(
        (
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            b"",
        )
    )
    mac = hmac.new(secret, content.encode(), hashlib.sha256).digest()
    return f"{content}.{encoded(mint.chance.choice((b'', mac, mac + mac, signature)))}"


def kid_injected(mint: Mint) -> str:
    """Names of keys that are paths, statements, addresses; signed by a stranger, or as before."""
    header, payload, signature = split(mint.any_good())
    head = json.loads(header) | {"kid": mint.chance.choice(_KIDS)}
    if mint.chance.random() < 0.5:
        return signed(head, json.loads(payload), mint.stranger)
    return joined((_json(head), payload, signature))


def signed_by_a_stranger(mint: Mint) -> str:
    """Everything right but the key; sometimes the header brings its own."""
    header, payload, _ = split(mint.any_good())
    head = json.loads(header)
    if mint.chance.random() < 0.5:
        own = jwk("shown-1", "pass+jwt", mint.stranger)
        pointer = mint.chance.choice(_POINTERS)
        head[pointer] = own if pointer == "jwk" else mint.chance.choice(("https://evil.example/keys", [pointer], True))
    return signed(head, json.loads(payload), mint.stranger)


def signed_for_something_else(mint: Mint) -> str:
    """A key of codes, but not the one for this type of pass; or a header with more or less in it than a pass has."""
    kid, typ, key = mint.chance.choice(mint.kinds())
    other_kid, other_typ, _ = mint.chance.choice([kind for kind in mint.kinds() if kind[0] != kid])
    claims = mint.claims_of(mint.any_entry(), 60)
    good = header_of(kid, typ)
    heads: list[dict[str, Any]] = [
        header_of(other_kid, typ),
        header_of(kid, other_typ),
        header_of(other_kid, other_typ),
        {**good, "typ": mint.chance.choice(("JWT", "", None, "PASS+JWT", "application/pass+jwt"))},
        {**good, mint.chance.choice(_POINTERS): mint.chance.choice(_STRANGE)},
        {name: good[name] for name in mint.chance.sample(sorted(good), 2)},
    ]
    return signed(mint.chance.choice(heads), claims, key)


def out_of_time(mint: Mint) -> str:
    """Signed by codes' own key for another time, or for longer than a pass may live."""
    chance = mint.chance
    issued_s_ago, life_s = chance.choice(
        (
            (60 + chance.randrange(10**6), 60),
            (-6 - chance.randrange(10**6), 60),
            (10, 66 + chance.randrange(10**9)),
            (10, -chance.randrange(10**6)),
        )
    )
    claims = mint.claims_of(mint.any_entry(), life_s, issued_s_ago=issued_s_ago)
    return signed(header_of("shown-1", "pass+jwt"), claims, mint.shown)


def claims_malformed(mint: Mint) -> str:
    """Signed by codes' own key, but not what a pass says: of the wrong type, missing, for another city's list, huge."""
    claims = mint.claims_of(mint.any_entry(), 60)
    status = claims["status"]["status_list"]
    strange = mint.chance.choice([value for value in _STRANGE if type(value) is not int or not 0 <= value < 2**31])
    match mint.chance.randrange(7):
        case 0:
            claims[mint.chance.choice(("iat", "exp", "status"))] = strange
        case 1:
            del claims[mint.chance.choice(("iat", "exp", "status"))]
        case 2:
            status["idx"] = strange
        case 3:
            ends = ("", "/", "/0", "/01", "/1/", "/-1", "/１", "/1 ", "/9999999", "/x", "x/1", "/1?x", "/../1", "//1")
            status["uri"] = mint.chance.choice((URI + mint.chance.choice(ends), "https://evil.example/s/1", strange))
        case 4:
            claims["padding"] = "x" * mint.chance.randrange(300, 5000)
        case 5:
            return signed(header_of("shown-1", "pass+jwt"), mint.chance.choice((*_STRANGE, [claims])), mint.shown)
        case _:
            claims["status"] = mint.chance.choice((strange, {"status_list": strange}, {"status_list": [status]}))
    return signed(header_of("shown-1", "pass+jwt"), claims, mint.shown)


FAMILIES: tuple[Callable[[Mint], str], ...] = (
    text_changed,
    wrapped,
    bits_flipped,
    crossed,
    claims_changed,
    signature_changed,
    algorithm_swapped,
    kid_injected,
    signed_by_a_stranger,
    signed_for_something_else,
    out_of_time,
    claims_malformed,
)


def accepted_of(count: int, seed: int) -> tuple[Counter[str], list[tuple[str, str]]]:
    """(refusals by their name, what was accepted: family and token) of so many mutated passes."""
    mint = Mint(random.Random(seed))
    ring, at = mint.ring(), datetime.fromtimestamp(NOW_S, UTC)
    refusals: Counter[str] = Counter()
    accepted: list[tuple[str, str]] = []
    for n in range(count):
        family = FAMILIES[n % len(FAMILIES)]
        token = mint.mutated(family)
        found = ring.read(token, at)
        if isinstance(found, Refusal):
            refusals[found.value] += 1
        else:
            accepted.append((family.__name__, token))
    return refusals, accepted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()
    refusals, accepted = accepted_of(arguments.count, arguments.seed)
    for refusal, number in refusals.most_common():
        print(f"{refusal:22} {number:>9,}")
    print(f"{len(accepted)} of {arguments.count:,} mutated passes accepted ({time.monotonic() - started:.0f} s)")
    for family, token in accepted[:10]:
        print(family, token)
    return 1 if accepted else 0


if __name__ == "__main__":
    sys.exit(main())
