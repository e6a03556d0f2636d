"""Names for things that must not be named."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from chassis.pseudonym import keyed_uuid

KEY = bytes(range(32))
VECTOR = "d5289b29-682e-8543-a6cf-5d52f22f2770"
PARTS = st.lists(st.text(max_size=12), max_size=4)


def test_it_is_the_head_of_an_hmac_over_the_parts_with_their_lengths() -> None:
    message = b"\x00\x00\x00\x0bresident_id" + b"\x00\x00\x00\x02CN" + b"\x00\x00\x00\x06\xe5\xbc\xa0\xe4\xb8\x89"
    digest = hmac.new(KEY, message, hashlib.sha256).hexdigest()
    made = keyed_uuid(KEY, "resident_id", "CN", "张三").hex
    assert made[:12] == digest[:12]
    assert made[13:16] == digest[13:16]
    assert made[17:] == digest[17:32]


def test_a_known_vector_stays() -> None:
    assert str(keyed_uuid(KEY, "resident_id", "CN", "11010519491231002X")) == VECTOR


@given(PARTS)
def test_the_same_parts_give_the_same_uuid_of_version_8(parts: list[str]) -> None:
    made = keyed_uuid(KEY, *parts)
    assert made == keyed_uuid(KEY, *parts)
    assert (made.version, made.variant) == (8, "specified in RFC 4122")


@given(PARTS, PARTS)
def test_other_parts_give_another_uuid_wherever_they_are_cut(one: list[str], other: list[str]) -> None:
    assert (keyed_uuid(KEY, *one) == keyed_uuid(KEY, *other)) == (one == other)


def test_where_a_part_ends_matters() -> None:
    assert len({keyed_uuid(KEY, *parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""))}) == 4


def test_another_key_gives_another_uuid() -> None:
    assert keyed_uuid(KEY, "a") != keyed_uuid(KEY[::-1], "a")
