"""The list in the bits of the Token Status List."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.codes.domain.permutation import LIST_SIZE
from services.codes.status_list import Standings, claims_of, columns_of, pack, status_list_of


def decoded(lst: str) -> bytes:
    return zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))


def test_the_vector_of_the_standard() -> None:
    packed = pack(bytes([1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]))
    assert packed == bytes.fromhex("c944f9")
    member = status_list_of(packed)
    assert member["bits"] == 2
    assert "=" not in member["lst"]
    assert decoded(member["lst"]) == decoded("eNo76fITAAPfAgc") == packed


@given(st.lists(st.integers(0, 3), min_size=4, max_size=400).map(lambda values: values[: len(values) // 4 * 4]))
def test_every_entry_sits_in_its_two_bits(values: list[int]) -> None:
    packed = pack(bytes(values))
    assert [packed[idx // 4] >> (idx % 4 * 2) & 3 for idx in range(len(values))] == values


def test_an_unassigned_entry_has_lapsed() -> None:
    packed = Standings(1, 7, b"", b"", b"").packed()
    assert packed == b"\xff" * (LIST_SIZE // 4)


def test_standings_are_big_endian_inside_and_little_endian_outside() -> None:
    standings = Standings(3, 9, (258).to_bytes(4, "big"), b"\x01", bytes(range(16)))
    assert list(standings.indices()) == [258]
    assert standings.packed()[258 // 4] >> (258 % 4 * 2) & 3 == 1
    columns = columns_of(standings, with_persons=True)
    assert (columns["list"], columns["revision"], columns["size"]) == (3, 9, LIST_SIZE)
    assert zlib.decompress(base64.b64decode(columns["idx"])) == (258).to_bytes(4, "little")
    assert zlib.decompress(base64.b64decode(columns["person_refs"])) == bytes(range(16))


def test_the_signed_list_names_itself_and_when_to_ask_again() -> None:
    now = datetime(2020, 2, 11, tzinfo=UTC)
    claims = claims_of(Standings(1, 0, b"", b"", b""), "https://guanka.example/s/1", now)
    assert claims["sub"] == "https://guanka.example/s/1"
    assert claims["ttl"] == 60
    assert claims["exp"] > claims["iat"] == int(now.timestamp())


def test_a_signed_list_says_how_new_it_is() -> None:
    """A gate takes no older one, whoever signs it: the epoch stands before the revision."""
    claims = claims_of(Standings(1, 17, b"", b"", b"", 1_790_000_000), "https://guanka.example/s/1", datetime.now(UTC))
    assert (claims["epoch"], claims["revision"]) == (1_790_000_000, 17)
