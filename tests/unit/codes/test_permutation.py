"""Indices come from a random permutation of the list."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.codes.domain.permutation import LIST_FULL_AT, LIST_SIZE, permuted, place_of

KEY = bytes(range(16))


def test_no_index_is_given_twice() -> None:
    given_out = [permuted(position, KEY) for position in range(60_000)]
    assert len(set(given_out)) == len(given_out)
    assert min(given_out) >= 0
    assert max(given_out) < LIST_SIZE


def test_neighbours_in_time_are_no_neighbours_in_the_list() -> None:
    indices = [permuted(position, KEY) for position in range(1_000)]
    assert sum(abs(one - other) < 1_000 for one, other in itertools.pairwise(indices)) < 20


def test_each_list_has_a_permutation_of_its_own() -> None:
    other = bytes(16)
    assert sum(permuted(position, KEY) == permuted(position, other) for position in range(1_000)) < 5


@pytest.mark.parametrize("position", [-1, LIST_SIZE])
def test_there_is_nothing_outside_the_list(position: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        permuted(position, KEY)


@given(st.integers(0, 10**8))
def test_a_list_takes_eighty_percent_then_the_next_one_opens(number: int) -> None:
    list_number, position = place_of(number)
    assert 0 <= position < LIST_FULL_AT
    assert (list_number - 1) * LIST_FULL_AT + position == number


def test_lists_are_numbered_from_one() -> None:
    assert place_of(0) == (1, 0)
    assert place_of(LIST_FULL_AT - 1) == (1, LIST_FULL_AT - 1)
    assert place_of(LIST_FULL_AT) == (2, 0)
    assert pytest.approx(0.8, abs=1e-6) == LIST_FULL_AT / LIST_SIZE
