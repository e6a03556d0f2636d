"""What the gates' journal says of a request that had been sent when a fault came, and of one that came too late."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.faults.gates import Rush
from tests.faults.journal import Journal, Verdict
from tests.faults.table import Table

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
PATIENCE_S = 10.0

Serve = Callable[[socket.socket, int], None]
"""Given a connection and how many there were before it."""


@contextmanager
def gate_at(serve: Serve, before_a_scan: Callable[[Rush], None] = lambda _rush: None) -> Iterator[Rush]:
    """One person at a gate, again and again, before a server that does as it is told."""

    def show_pass(_person: int) -> str:
        before_a_scan(rush)
        return "pass"

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            for number in range(10_000):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection, number), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        port = listener.getsockname()[1]
        rush = Rush(port, "token", "gate", show_pass, people=1, rate=100, timeout_s=5)
        rush.start()
        yield rush
        rush.stop()


def answers(connection: socket.socket) -> None:
    with connection:
        while read(connection):
            connection.sendall(ANSWER)


def read(connection: socket.socket) -> bool:
    """Whether there was another request, which is whole then."""
    received = b""
    while not received.endswith(b"}"):
        part = connection.recv(1 << 16)
        if not part:
            return False
        received += part
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@pytest.mark.parametrize("is_clean", [True, False], ids=["a clean close", "a reset"])
def test_a_request_that_was_there_when_the_fault_came_and_got_no_answer_is_cut_off(is_clean: bool) -> None:
    may_end = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        if number:
            return answers(connection)
        with connection:
            assert read(connection)
            may_end.wait(PATIENCE_S)
            if not is_clean:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return None

    with gate_at(serve) as rush:
        wait_until(lambda: rush.under_way() == 1)
        rush.journal.strike()
        may_end.set()
        wait_until(lambda: rush.journal.under_way == 1)
    assert (rush.journal.cut_off, rush.journal.outcomes["closed"]) == (1, int(is_clean))


def test_a_request_that_is_answered_after_the_fault_was_under_way_and_is_not_cut_off() -> None:
    may_answer = threading.Event()

    def serve(connection: socket.socket, _number: int) -> None:
        with connection:
            assert read(connection)
            may_answer.wait(PATIENCE_S)
            connection.sendall(ANSWER)
            answers(connection)

    with gate_at(serve) as rush:
        wait_until(lambda: rush.under_way() == 1)
        rush.journal.strike()
        may_answer.set()
        wait_until(lambda: rush.journal.outcomes["200"] > 1)
    assert (rush.journal.under_way, rush.journal.cut_off) == (1, 0)


def test_a_request_that_meets_a_connection_closed_between_two_is_not_cut_off() -> None:
    """Nothing was under way when the fault came; whoever sends on a connection that is being closed sends again."""
    has_struck = threading.Event()

    def strike(rush: Rush) -> None:
        if rush.journal.outcomes["200"] > 3 and not has_struck.is_set():
            rush.journal.strike()
            has_struck.set()

    def serve(connection: socket.socket, number: int) -> None:
        if number:
            return answers(connection)
        with connection:
            while read(connection):
                if has_struck.is_set():
                    break
                connection.sendall(ANSWER)
        return None

    with gate_at(serve, strike) as rush:
        wait_until(lambda: rush.journal.outcomes["closed"] == 1)
    assert (rush.journal.under_way, rush.journal.cut_off) == (0, 0)


@pytest.mark.parametrize(("cut_off", "resets", "is_kept"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_who_was_cut_off_counts_against_a_process_that_was_asked_to_end(
    cut_off: int, resets: int, is_kept: bool
) -> None:
    journal = Journal()
    journal.outcomes["reset"] = resets
    verdict = Verdict(under_way=5, cut_off=cut_off)
    assert Table().add("SIGTERM", verdict, journal, is_graceful=True).is_kept() is is_kept
    assert Table().add("SIGKILL", verdict, journal).is_kept()


def test_the_table_shows_what_was_under_way_and_is_read_again_from_what_was_kept() -> None:
    table = Table()
    table.add("SIGTERM", Verdict(under_way=41, cut_off=2), Journal(), is_graceful=True)
    again = Table.of(table.document())
    assert again.lines() == table.lines()
    heads, _, cells = ([cell.strip() for cell in line.split("|")] for line in table.lines())
    assert dict(zip(heads, cells, strict=True))["under way"] == "41"
    assert dict(zip(heads, cells, strict=True))["cut off"] == "2"
    table.add("SIGKILL", Verdict(under_way=41), Journal())
    assert "41" not in table.lines()[-1], "of a process that is killed nobody knows to the moment when"
    assert not again.rows["SIGTERM"].is_kept()
