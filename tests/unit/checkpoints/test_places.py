"""The codes on posters."""

from __future__ import annotations

from uuid import UUID, uuid4

from services.checkpoints.venue_codes import PATTERN, venue_code


def test_a_venue_code_is_short_steady_and_cannot_be_made_without_the_key():
    place = uuid4()
    code = venue_code(b"k" * 32, place)
    assert PATTERN.fullmatch(code)
    assert code == venue_code(b"k" * 32, place)
    assert code != venue_code(b"x" * 32, place)
    assert len({venue_code(b"k" * 32, UUID(int=n)) for n in range(2000)}) == 2000
