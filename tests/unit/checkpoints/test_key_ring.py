"""A pass counts only in one exact form, signed by a key that is here, at the moment it was scanned."""

from __future__ import annotations

import base64
import hmac
import json
import random
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.scans import Entry, Refusal
from services.checkpoints.key_ring import KeyRing, _decoded
from tests.integration.checkpoints.town import STATUS_LIST_URI, FakeCodes, Key

NOW = datetime(2022, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def codes() -> FakeCodes:
    return FakeCodes()


@pytest.fixture(scope="module")
def ring(codes: FakeCodes) -> KeyRing:
    ring = KeyRing(STATUS_LIST_URI)
    assert ring.put(codes.jwks())
    return ring


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def segment(value: object) -> str:
    return b64(json.dumps(value).encode())


def signed(key: Key, header: dict[str, object], claims: dict[str, object]) -> str:
    """A JWS with any header, which a library would refuse to make."""
    text = f"{segment(header)}.{segment(claims)}"
    return f"{text}.{b64(ECAlgorithm(ECAlgorithm.SHA256).sign(text.encode(), key.private))}"


def shown_pass(entry: Entry, at: datetime = NOW) -> ReadPass:
    return ReadPass(entry, int(at.timestamp()))


def test_a_shown_pass_names_an_entry(ring, codes):
    assert ring.read(codes.mint(77, at=NOW, number=3), NOW + timedelta(seconds=5)) == shown_pass(Entry(3, 77))


def test_a_printed_pass_is_good_for_180_days(ring, codes):
    printed = codes.mint(5, at=NOW, key=codes.printed)
    assert ring.read(printed, NOW + timedelta(days=179)) == ReadPass(Entry(1, 5), None)
    assert ring.read(printed, NOW + timedelta(days=181)) is Refusal.PASS_EXPIRED


def test_a_screenshot_of_a_pass_does_not_open_a_gate_a_minute_later(ring, codes):
    assert ring.read(codes.mint(5, at=NOW), NOW + timedelta(seconds=60)) is Refusal.PASS_EXPIRED


def test_what_a_scan_was_on_its_way_is_not_held_against_the_pass_but_no_more_than_that(ring, codes):
    shown = codes.mint(5, at=NOW)
    assert ring.read(shown, NOW + timedelta(seconds=63), 4.0) == shown_pass(Entry(1, 5))
    assert ring.read(shown, NOW + timedelta(seconds=64), 4.0) is Refusal.PASS_EXPIRED
    assert ring.read(shown, NOW - timedelta(seconds=6), 5.0) is Refusal.PASS_NOT_YET_VALID


def test_a_late_upload_is_judged_at_the_moment_of_the_scan(ring, codes):
    pass_of_then = codes.mint(5, at=NOW - timedelta(days=6))
    assert ring.read(pass_of_then, NOW - timedelta(days=6) + timedelta(seconds=10)) == shown_pass(
        Entry(1, 5), NOW - timedelta(days=6)
    )


def test_a_gates_clock_may_be_a_little_behind(ring, codes):
    fresh = codes.mint(5, at=NOW)
    assert ring.read(fresh, NOW - timedelta(seconds=4)) == shown_pass(Entry(1, 5))
    assert ring.read(fresh, NOW - timedelta(seconds=6)) is Refusal.PASS_NOT_YET_VALID


def test_a_pass_signed_by_another_key_under_a_known_kid_is_forged(ring, codes):
    forger = Key("shown-1", "pass+jwt")
    assert ring.read(codes.mint(5, at=NOW, key=forger), NOW) is Refusal.PASS_FORGED


def test_a_kid_that_is_not_here_is_forged_and_nothing_is_fetched(ring, codes):
    for kid in ("unknown", "../../etc/passwd", "https://evil.test/jwks", "", "x" * 64):
        assert ring.read(codes.mint(5, at=NOW, headers={"kid": kid}), NOW) is Refusal.PASS_FORGED


def test_alg_none_and_other_algorithms_are_forged(ring, codes):
    _, payload, signature = codes.mint(5, at=NOW).split(".")
    for alg in ("none", "None", "HS256", "RS256", "ES384", "es256"):
        named = segment({"alg": alg, "kid": "shown-1", "typ": "pass+jwt"})
        assert ring.read(f"{named}.{payload}.{signature}", NOW) is Refusal.PASS_FORGED
        assert ring.read(f"{named}.{payload}.", NOW) is Refusal.PASS_FORGED
        secret = json.dumps(codes.shown.jwk()).encode()
        confused = hmac.digest(secret, f"{named}.{payload}".encode(), "sha256")
        assert ring.read(f"{named}.{payload}.{b64(confused)}", NOW) is Refusal.PASS_FORGED


@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c", "crit", "b64", "cty"])
def test_a_header_with_anything_more_is_forged_although_it_is_signed(ring, codes, member):
    header = {"alg": "ES256", "kid": "shown-1", "typ": "pass+jwt"}
    status = {"status_list": {"idx": 5, "uri": f"{STATUS_LIST_URI}/1"}}
    claims = {"iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60, "status": status}
    assert ring.read(signed(codes.shown, header, claims), NOW) == shown_pass(Entry(1, 5))
    assert ring.read(signed(codes.shown, header | {member: "https://evil.test"}, claims), NOW) is Refusal.PASS_FORGED


def test_a_key_signs_one_type_of_pass_only(ring, codes):
    assert ring.read(codes.mint(5, at=NOW, headers={"typ": "printed-pass+jwt"}), NOW) is Refusal.PASS_FORGED
    assert ring.read(codes.mint(5, at=NOW, headers={"typ": "JWT"}), NOW) is Refusal.PASS_FORGED
    assert ring.read(codes.mint(5, at=NOW, key=codes.printed, headers={"typ": "pass+jwt"}), NOW) is Refusal.PASS_FORGED


def test_a_key_of_status_lists_signs_no_pass(codes):
    listing = Key("list-9", "statuslist+jwt")
    ring = KeyRing(STATUS_LIST_URI)
    assert not ring.put({"keys": [listing.jwk()]})
    assert ring.read(codes.mint(5, at=NOW, key=listing), NOW) is Refusal.PASS_FORGED


def test_a_life_longer_than_its_type_allows_is_forged(ring, codes):
    assert ring.read(codes.mint(5, at=NOW, life_s=3600), NOW) is Refusal.PASS_FORGED
    assert ring.read(codes.mint(5, at=NOW, key=codes.printed, life_s=400 * 86_400), NOW) is Refusal.PASS_FORGED
    assert ring.read(codes.mint(5, at=NOW, life_s=-10), NOW) is Refusal.PASS_FORGED


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": None},
        {"exp": None},
        {"exp": True},
        {"exp": 1669104060.5},
        {"status": None},
        {"status": {"status_list": {"idx": 1}}},
        {"status": {"status_list": {"idx": -1, "uri": f"{STATUS_LIST_URI}/1"}}},
        {"status": {"status_list": {"idx": "1", "uri": f"{STATUS_LIST_URI}/1"}}},
        {"status": {"status_list": {"idx": 2**40, "uri": f"{STATUS_LIST_URI}/1"}}},
        {"status": {"status_list": {"idx": 1, "uri": "https://evil.test/s/1"}}},
        {"status": {"status_list": {"idx": 1, "uri": f"{STATUS_LIST_URI}/01"}}},
        {"status": {"status_list": {"idx": 1, "uri": f"{STATUS_LIST_URI}/1/../2"}}},
        {"status": {"status_list": {"idx": 1, "uri": STATUS_LIST_URI}}},
    ],
)
def test_a_signed_pass_with_other_claims_is_forged(ring, codes, claims):
    body = {"iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60, "status": {"status_list": {}}} | claims
    token = signed(codes.shown, {"alg": "ES256", "kid": "shown-1", "typ": "pass+jwt"}, body)
    assert ring.read(token, NOW) is Refusal.PASS_FORGED


def test_a_pass_that_is_too_long_is_forged_although_it_is_signed(ring, codes):
    assert ring.read(codes.mint(5, at=NOW, filler="x" * 300), NOW) is Refusal.PASS_FORGED


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "码.码.码", "\x00.\x00.\x00", "e30.e30.e30", "." * 399]
)
def test_what_is_no_token_at_all_is_forged(ring, text):
    assert ring.read(text, NOW) is Refusal.PASS_FORGED


def test_no_mutation_of_a_pass_is_accepted(ring, codes):
    good = codes.mint(1234, at=NOW)
    chance = random.Random(7)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ é"
    for _ in range(3000):
        place = chance.randrange(len(good))
        mutated = good[:place] + chance.choice(alphabet) + good[place + chance.randrange(2) :]
        if mutated != good:
            assert ring.read(mutated, NOW) is Refusal.PASS_FORGED


def test_the_last_character_has_one_spelling(ring, codes):
    """It carries four unused bits, but another spelling of the same bytes is another pass."""
    good = codes.mint(9, at=NOW)
    others = [good[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    accepted = [each for each in others if not isinstance(ring.read(each, NOW), Refusal)]
    assert accepted == [good]


def test_a_revoked_key_is_gone_with_the_next_jwks_and_an_empty_jwks_changes_nothing(codes):
    ring = KeyRing(STATUS_LIST_URI)
    ring.put(codes.jwks())
    shown = codes.mint(5, at=NOW)
    assert ring.read(shown, NOW) == shown_pass(Entry(1, 5))
    assert not ring.put({"keys": []})
    assert ring.read(shown, NOW) == shown_pass(Entry(1, 5))
    assert ring.put({"keys": [codes.printed.jwk()]})
    assert ring.read(shown, NOW) is Refusal.PASS_FORGED


def test_a_key_that_cannot_be_read_is_left_out(codes):
    ring = KeyRing(STATUS_LIST_URI)
    broken = codes.shown.jwk() | {"x": "AAAA"}
    assert ring.put({"keys": [broken, codes.printed.jwk()]})
    assert ring.read(codes.mint(5, at=NOW), NOW) is Refusal.PASS_FORGED
    assert ring.read(codes.mint(5, at=NOW, key=codes.printed), NOW) == ReadPass(Entry(1, 5), None)


LETTERS = string.ascii_letters + string.digits + "-_"


@given(st.binary(max_size=80).map(b64) | st.text(LETTERS, max_size=20) | st.text(LETTERS + "+/=\n é", max_size=20))
def test_only_the_one_spelling_that_the_standard_library_writes_is_base64url(segment: str) -> None:
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        is_canonical = b64(raw) == segment
    except ValueError:
        is_canonical = False
    if is_canonical:
        assert _decoded(segment) == raw
    else:
        with pytest.raises(ValueError, match=r"."):
            _decoded(segment)
