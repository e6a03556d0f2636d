"""However a board came to what it holds, its hash is that of a fold of the log."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from services.checkpoints.board import Applied, Board, StandingsChange, hash_of, list_digest, pack

LISTS, SIZE = (1, 2, 7), 16
LAPSED = 3

moves = st.tuples(
    st.sampled_from(LISTS),
    st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, 3)), min_size=1, max_size=4, unique_by=lambda m: m[0]),
)
histories = st.lists(moves, max_size=25)


class Log:
    """All that codes has told: the changes, and each list after each of them."""

    def __init__(self, history: Sequence[tuple[int, Sequence[tuple[int, int]]]]) -> None:
        self.changes: list[StandingsChange] = []
        self.states = {number: [bytearray([LAPSED] * SIZE)] for number in LISTS}
        for number, move in history:
            people = bytearray(self.states[number][-1])
            for idx, colour in move:
                people[idx] = colour
            self.states[number].append(people)
            revision = len(self.states[number]) - 1
            columns = tuple(idx for idx, _ in move), bytes(colour for _, colour in move)
            self.changes.append(StandingsChange(number, revision, *columns, b"\0" * 16 * len(move)))

    def put(self, board: Board, number: int, revision: int) -> None:
        board.put(number, revision, pack(self.states[number][revision]))

    def last(self, number: int) -> int:
        return len(self.states[number]) - 1

    def fold(self) -> str:
        return hash_of(list_digest(n, self.last(n), pack(self.states[n][-1])) for n in LISTS)


@settings(max_examples=200, deadline=None)
@given(history=histories, data=st.data())
def test_any_order_of_snapshots_changes_repeats_and_gaps_gives_the_hash_of_the_fold(history, data):
    log, board = Log(history), Board(30)
    for number in data.draw(st.lists(st.sampled_from(LISTS), unique=True), label="lists of the snapshot"):
        log.put(board, number, data.draw(st.integers(0, log.last(number)), label="revision of the snapshot"))
    received = data.draw(st.lists(st.sampled_from(log.changes), max_size=40) if log.changes else st.just([]))
    for change in received:
        if data.draw(st.booleans(), label="somebody looks"):
            board.fingerprint()
        if board.apply(change) is Applied.GAP:
            log.put(board, change.list, data.draw(st.integers(change.revision, log.last(change.list)), label="fetched"))
    for number in board.is_behind({number: log.last(number) for number in LISTS}):
        log.put(board, number, log.last(number))
    assert board.fingerprint().hash == log.fold()
    assert board.fingerprint().revisions == {number: log.last(number) for number in LISTS}


def test_the_hash_is_the_one_that_the_operations_page_describes():
    board = Board(30)
    board.put(2, 9, bytes([0b11_10_01_00]))
    board.put(1, 5, bytes([0xFF]))
    digests = [
        hashlib.sha256((1).to_bytes(4, "big") + (5).to_bytes(8, "big") + b"\xff").digest(),
        hashlib.sha256((2).to_bytes(4, "big") + (9).to_bytes(8, "big") + b"\xe4").digest(),
    ]
    assert board.fingerprint().hash == hashlib.sha256(b"".join(digests)).hexdigest()


def test_a_hash_that_is_taken_while_changes_come_is_of_the_revisions_it_names():
    history = [(1, [(n % SIZE, n % 4)]) for n in range(400)]
    log, board = Log(history), Board(30)
    log.put(board, 1, 0)
    feeding = threading.Thread(target=lambda: [board.apply(change) for change in log.changes])
    feeding.start()
    seen = [board.fingerprint() for _ in range(200)]
    feeding.join()
    for fingerprint in seen:
        revision = fingerprint.revisions[1]
        assert fingerprint.hash == hash_of([list_digest(1, revision, pack(log.states[1][revision]))])
