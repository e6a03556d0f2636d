"""How clients take their turns: latency from the intended moment, retries under the same id, repeats on purpose."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import orjson
import pytest

from chassis.ids import uuid7
from loadtests.figures import figures_of
from loadtests.journal import Journal, Kind, Result, Written
from loadtests.line import Answer, Unanswered
from loadtests.scenarios.turns import Content, Start, Turn, Turns
from loadtests.shapes import Asked, shape_of

_GREEN = b'"colour":"green"'
_ACCEPTED = Answer(200, b'{"decision":"pass","colour":"green"}', None)


class Gate:
    """A line whose answers are prepared; each takes `seconds`."""

    def __init__(self, answer: Callable[[int, bytes], Answer], *, seconds: float = 0.0) -> None:
        self._answer, self._seconds = answer, seconds
        self.sent: list[tuple[float, bytes]] = []

    def post(self, head: bytes, body: bytes) -> Answer:
        self.sent.append((time.perf_counter(), body))
        gevent.sleep(self._seconds)
        return self._answer(len(self.sent), body)


class Notes(Journal):
    def __init__(self) -> None:
        super().__init__()
        self.results: list[Result] = []

    def note(self, result: Result) -> None:
        self.results.append(result)


def turn(due_s: float, scans: int = 1) -> Turn:
    def write() -> Content:
        ids = [uuid7() for _ in range(scans)]
        bodies = orjson.dumps({"scans": [{"scan_id": str(each)} for each in ids]})
        return b"".join(each.bytes for each in ids), bodies, [_GREEN] * scans

    return Turn(due_s, Kind.SINGLE if scans == 1 else Kind.BATCH, b"", is_measured=True, write=write)


def serve(turns: list[Turn], line: Gate, **options: Any) -> Notes:
    notes = Notes()
    queue = Turns(iter(turns), notes, is_open=True, start=Start(0.001), **options)
    queue.serve(line)  # type: ignore[arg-type]
    return notes


def test_latency_counts_from_the_intended_moment_even_when_the_client_was_busy() -> None:
    notes = serve([turn(n * 0.001) for n in range(5)], Gate(lambda *_: _ACCEPTED, seconds=0.03))
    waited = [result.waited_ms for result in notes.results]
    assert waited == sorted(waited)
    assert waited[-1] > 5 * 30 - 10
    assert notes.results[-1].late_ms > 4 * 30 - 10


def test_who_is_refused_politely_comes_again_after_the_pause_with_the_same_scan() -> None:
    gate = Gate(lambda n, _: Answer(503, b"{}", 0.2) if n == 1 else _ACCEPTED)
    notes = serve([turn(0.0)], gate)
    (first_at, first), (second_at, second) = gate.sent
    assert first == second
    assert 0.2 <= second_at - first_at <= 0.5
    refused, accepted = notes.results
    assert (refused.status, accepted.status) == (503, 200)
    assert accepted.waited_ms > 200 > accepted.latency_ms
    assert (notes.offered, len(notes.acknowledged), notes.given_up) == (1, 16, 0)


def test_where_nobody_comes_again_a_refused_scan_is_given_up() -> None:
    notes = serve([turn(0.0)], Gate(lambda *_: Answer(503, b"{}", 1.0)), comes_again=False)
    assert (len(notes.results), notes.given_up, len(notes.acknowledged)) == (1, 1, 0)


def test_a_refusal_that_does_not_say_when_to_come_again_is_an_error() -> None:
    notes = serve([turn(0.0)], Gate(lambda *_: Answer(503, b"{}", None)))
    assert errors_of(notes) == 1
    assert (len(notes.results), notes.given_up, len(notes.acknowledged)) == (1, 1, 0)


def test_a_refusal_that_says_when_to_come_again_is_no_error() -> None:
    notes = serve([turn(0.0)], Gate(lambda *_: Answer(503, b"{}", 1.0)), comes_again=False)
    assert errors_of(notes) == 0


@pytest.mark.parametrize("status", [401, 409, 422, 500])
def test_a_scan_that_meets_an_error_is_given_up(status: int) -> None:
    notes = serve([turn(0.0, scans=3)], Gate(lambda *_: Answer(status, b"{}", None)))
    assert (errors_of(notes), notes.given_up, notes.offered) == (1, 3, 3)


def errors_of(notes: Notes) -> float:
    counts: dict[str, float] = {
        "offered": notes.offered,
        "wrong_answers": notes.wrong_answers,
        "given_up": notes.given_up,
    }
    return figures_of(shape_of("peak", Asked(seconds=1)), Written(set(), set(), notes.results, counts))["errors"]


def test_a_scan_without_an_answer_comes_again_and_is_known_as_unanswered() -> None:
    def answer(n: int, _body: bytes) -> Answer:
        if n == 1:
            raise Unanswered("ConnectionError")
        return _ACCEPTED

    notes = serve([turn(0.0)], Gate(answer))
    assert [result.status for result in notes.results] == [0, 200]
    assert notes.unanswered == {bytes(notes.acknowledged)}


def test_a_scan_is_known_as_unanswered_when_its_client_is_ended_in_the_middle() -> None:
    notes = Notes()
    queue = Turns(iter([turn(0.0)]), notes, is_open=True, start=Start(0.001))
    client = gevent.spawn(queue.serve, Gate(lambda *_: _ACCEPTED, seconds=60))
    while not notes.offered:
        gevent.sleep(0.005)
    client.kill()
    assert len(notes.unanswered) == 1
    assert not notes.acknowledged


def test_of_a_batch_only_what_was_refused_comes_again() -> None:
    def answer(n: int, body: bytes) -> Answer:
        scans = orjson.loads(body)["scans"]
        results = [{**scan, "colour": "green"} for scan in scans]
        if n == 1:
            results[1] = {**scans[1], "problem": {"status": 503}}
        return Answer(200, orjson.dumps({"results": results}), None)

    gate = Gate(answer)
    notes = serve([turn(0.0, scans=3)], gate)
    first, again = (orjson.loads(body)["scans"] for _, body in gate.sent)
    assert again == [first[1]]
    assert (len(notes.acknowledged), notes.wrong_answers) == (3 * 16, 0)
    assert [(result.scans, result.taken) for result in notes.results] == [(3, 2), (1, 1)]


def test_what_a_batch_refuses_for_good_is_wrong_and_given_up() -> None:
    def answer(_n: int, body: bytes) -> Answer:
        results = [{**scan, "colour": "green"} for scan in orjson.loads(body)["scans"]]
        results[0] = {**results[0], "problem": {"status": 409}}
        return Answer(200, orjson.dumps({"results": results}), None)

    notes = serve([turn(0.0, scans=3)], Gate(answer))
    assert (len(notes.acknowledged), notes.wrong_answers, notes.given_up) == (2 * 16, 1, 1)


def test_a_scan_that_is_sent_again_on_purpose_is_offered_once() -> None:
    notes = serve([turn(0.0)], Gate(lambda *_: _ACCEPTED), share_repeated=1.0)
    assert [result.kind for result in notes.results] == [Kind.SINGLE, Kind.REPEAT]
    assert notes.offered == 1
    assert notes.acknowledged[:16] == notes.acknowledged[16:]


def test_an_answer_with_another_colour_is_counted_as_wrong() -> None:
    notes = serve([turn(0.0)], Gate(lambda *_: Answer(200, b'{"colour":"red"}', None)))
    assert notes.wrong_answers == 1
