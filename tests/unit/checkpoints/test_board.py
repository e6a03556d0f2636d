"""The board holds what codes holds, knows what it misses, and says how old it is."""

from __future__ import annotations

import os
from array import array

import pytest

from services.checkpoints.board import Applied, Board, StandingsChange, pack, unpack
from services.checkpoints.domain.scans import Colour, Entry


def change(revision: int, **colours: int) -> StandingsChange:
    idx = tuple(int(name[1:]) for name in colours)
    return StandingsChange(1, revision, idx, bytes(colours.values()), b"\0" * 16 * len(idx))


def test_two_bits_a_person_least_significant_first():
    people = unpack(bytes([0xC9, 0x44, 0xF9]))
    assert list(people) == [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
    assert pack(people) == bytes([0xC9, 0x44, 0xF9])


def test_packing_loses_nothing_and_leaves_the_other_bits_out():
    packed = os.urandom(4096)
    people = unpack(packed)
    for at in range(0, len(people), 3):
        people[at] |= 0b1010_1000
    assert pack(people) == packed


def test_colours_are_those_of_the_status_list():
    board = Board(30)
    board.put(1, 5, bytes([0b11_10_01_00]))
    seen = [board.standing_of(Entry(1, idx), 0.0).colour for idx in range(4)]
    assert seen == [Colour.GREEN, Colour.RED, Colour.YELLOW, Colour.LAPSED]


def test_a_change_follows_what_is_held():
    board = Board(30)
    board.put(1, 5, bytes([0xFF] * 4))
    assert board.apply(change(6, i3=1, i9=0)) is Applied.TAKEN
    assert board.standing_of(Entry(1, 3), 0.0) == board.standing_of(Entry(1, 3), 0.0)
    assert board.standing_of(Entry(1, 3), 0.0).colour is Colour.RED
    assert board.standing_of(Entry(1, 9), 0.0).colour is Colour.GREEN
    assert board.revisions() == {1: 6}


def test_a_repeat_changes_nothing_and_a_gap_is_seen():
    board = Board(30)
    board.put(1, 5, bytes([0xFF] * 4))
    assert board.apply(change(5, i0=0)) is Applied.KNOWN
    assert board.apply(change(7, i0=0)) is Applied.GAP
    assert board.standing_of(Entry(1, 0), 0.0).colour is Colour.LAPSED
    assert board.revisions() == {1: 5}


def test_a_void_entry_stays_void_through_a_snapshot_until_a_change_takes_it_back():
    board, again = Board(30), Board(30)
    board.put(1, 5, bytes([0xFF] * 4), [2])
    assert board.apply(change(6, i9=0b111, i3=0)) is Applied.TAKEN
    assert board.snapshot(1) == (6, board.packed(1)[1], array("I", [2, 9]))
    again.put(1, *board.snapshot(1))
    for each in (board, again):
        assert [idx for idx in range(16) if each.standing_of(Entry(1, idx), 0.0).is_void] == [2, 9]
        assert each.standing_of(Entry(1, 9), 0.0).colour is Colour.LAPSED
    assert again.apply(change(7, i9=0)) is Applied.TAKEN
    assert again.standing_of(Entry(1, 9), 0.0)[:1] == (Colour.GREEN,)
    assert again.snapshot(1)[2] == array("I", [2])
    with pytest.raises(ValueError, match="beyond"):
        board.put(1, 8, bytes([0xFF]), [4])


def test_a_list_that_is_not_here_is_a_gap_and_nobody_on_it_is_known():
    board = Board(30)
    assert board.apply(change(1, i0=0)) is Applied.GAP
    assert board.standing_of(Entry(1, 0), 0.0).colour is Colour.LAPSED
    assert board.is_behind({1: 0, 2: 4}) == [1, 2]


def test_an_older_copy_of_a_list_is_not_taken():
    board = Board(30)
    board.put(1, 5, bytes([0x00]))
    board.put(1, 4, bytes([0xFF]))
    assert board.standing_of(Entry(1, 0), 0.0).colour is Colour.GREEN


def test_an_index_beyond_the_list_is_void():
    board = Board(30)
    board.put(1, 5, bytes([0x00]))
    assert board.standing_of(Entry(1, 4), 0.0).is_void


def test_a_board_that_hears_nothing_goes_stale():
    board = Board(30)
    board.put(1, 5, bytes([0x00]))
    board.mark_complete(1000.0)
    assert not board.standing_of(Entry(1, 0), 1030.0).is_stale
    assert board.standing_of(Entry(1, 0), 1030.1).is_stale
    assert board.age_s(1010.0) == 10.0
    board.mark_complete(900.0)
    assert board.age_s(1010.0) == 10.0


def test_the_same_content_has_the_same_hash_however_it_came():
    one, other = Board(30), Board(30)
    one.put(1, 5, bytes([0xFF] * 4))
    one.apply(change(6, i3=1))
    other.put(1, 6, one.packed(1)[1])
    assert one.fingerprint() == other.fingerprint()
    other.apply(change(7, i3=1))
    assert one.fingerprint() != other.fingerprint()


def test_a_change_beyond_the_list_is_an_error():
    board = Board(30)
    board.put(1, 5, bytes([0x00]))
    with pytest.raises(IndexError):
        board.apply(change(6, i99=1))
