"""What clients do in turn: requests with the moment when each is meant to go, and those that have to come again.

Clients share a queue, so whoever is free takes what is due next; what finds nobody free is late, and its latency counts
from the moment it was meant for (no coordinated omission).
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterator
from itertools import count

import gevent
import orjson

from loadtests.journal import SCAN_ID_BYTES, Journal, Kind, Result
from loadtests.line import Answer, Line, Unanswered
from loadtests.shapes import PATIENCE_S

AGAIN_AFTER_S = 1.0
START_S = 2.0
_LOOK_S = 0.05

Content = tuple[bytes, bytes, list[bytes]]
"""(scan ids, 16 bytes each; body; per scan what its answer must contain)."""


class Turn:
    """A request to be sent; `write` makes its content at the moment of sending, so that a pass is minted then."""

    __slots__ = ("content", "due_s", "first_due_s", "head", "is_measured", "kind", "write")

    def __init__(
        self, due_s: float, kind: Kind, head: bytes, *, is_measured: bool, write: Callable[[], Content]
    ) -> None:
        self.due_s = self.first_due_s = due_s
        self.kind, self.head, self.is_measured, self.write = kind, head, is_measured, write
        self.content: Content | None = None

    def again(self, due_s: float, content: Content) -> Turn:
        """The same scans once more, under the same ids; the people have been waiting since the first time."""
        turn = self.repeated(due_s, content, self.kind)
        turn.first_due_s = self.first_due_s
        return turn

    def repeated(self, due_s: float, content: Content, kind: Kind = Kind.REPEAT) -> Turn:
        turn = Turn(due_s, kind, self.head, is_measured=self.is_measured, write=self.write)
        turn.content = content
        return turn


class Start:
    """The moment from which a process counts: a little after its first client asked for it."""

    def __init__(self, after_s: float = START_S) -> None:
        self._after_s, self._at = after_s, 0.0

    def now_s(self) -> float:
        """Seconds since then."""
        now = time.perf_counter()
        self._at = self._at or now + self._after_s
        return now - self._at


class Turns:
    """A queue. `fresh` yields turns in order of `due_s`; with `is_open` False each is due when it is taken.

    `comes_again` says whether whoever is refused politely tries once more. `share_repeated` of the single scans are
    sent once more although they were answered, as a gate does whose line broke in the middle of an answer.
    """

    def __init__(
        self,
        fresh: Iterator[Turn],
        journal: Journal,
        *,
        is_open: bool,
        comes_again: bool = True,
        share_repeated: float = 0.0,
        start: Start | None = None,
    ) -> None:
        self._fresh, self._journal, self._now_s = fresh, journal, (start or Start()).now_s
        self._is_open, self._comes_again, self._share_repeated = is_open, comes_again, share_repeated
        self._waiting: list[tuple[float, int, Turn]] = []
        self._numbers = count()
        self._next = next(fresh, None)
        self._under_way = 0
        self._chance = random.Random()  # noqa: S311 (jitter, no secret)

    def is_over(self) -> bool:
        """Nothing is left, and nothing can come again."""
        return self._next is None and not self._waiting and not self._under_way

    def serve(self, line: Line) -> None:
        """One client's life: turn after turn, until all is over."""
        while not self.is_over():
            turn = self._take()
            if turn is None:
                gevent.sleep(_LOOK_S)
                continue
            self._under_way += 1
            try:
                self._send(turn, line)
            finally:
                self._under_way -= 1

    def _take(self) -> Turn | None:
        fresh, now_s = self._next, self._now_s()
        until_s = now_s if fresh is None or not self._is_open else fresh.due_s
        if self._waiting and (fresh is None or self._waiting[0][0] <= until_s):
            return heapq.heappop(self._waiting)[2]
        if fresh is not None:
            self._next = next(self._fresh, None)
            if not self._is_open:
                fresh.due_s = fresh.first_due_s = max(0.0, now_s)
        return fresh

    def _send(self, turn: Turn, line: Line) -> None:
        pause_s = turn.due_s - self._now_s()
        if pause_s > 0:
            gevent.sleep(pause_s)
        sent_s = self._now_s()
        if turn.content is None:
            turn.content = turn.write()
            self._journal.offered += len(turn.content[2])
        content, answer = turn.content, None
        try:
            answer = line.post(turn.head, content[1])
        except Unanswered:
            pass
        finally:  # also where the client is ended in the middle of it
            if answer is None:
                self._journal.leave_unanswered(content[0])
        answered_s = self._now_s()
        left = self._settle(turn, content, answer)
        result = Result(
            due_s=turn.due_s,
            latency_ms=(answered_s - turn.due_s) * 1000,
            waited_ms=(answered_s - turn.first_due_s) * 1000,
            late_ms=(sent_s - turn.due_s) * 1000,
            status=0 if answer is None else answer.status,
            scans=len(content[2]),
            kind=turn.kind,
            is_measured=turn.is_measured,
            length=0 if answer is None else len(answer.body),
            is_refused=answer is not None and answer.is_polite_refusal,
            left=left,
        )
        self._journal.note(result)

    def _settle(self, turn: Turn, content: Content, answer: Answer | None) -> int:
        """Acknowledged scans go into the journal; what was refused politely, or not answered, comes again.

        Whatever else was answered, the scans are given up: each one that was offered ends as the one or the other.
        Returns how many an answer of 200 left open.
        """
        if answer is not None and answer.status == 200:
            left = self._acknowledge(content, answer.body)
            if left is None:
                if turn.kind is Kind.SINGLE and self._chance.random() < self._share_repeated:
                    self._put(turn.repeated(self._now_s() + self._chance.random(), content))
                return 0
            content = left
        left_open = len(content[2]) if answer is not None and answer.status == 200 else 0
        if turn.kind is Kind.REPEAT:
            return left_open
        pause_s = AGAIN_AFTER_S if answer is None else answer.retry_after_s or AGAIN_AFTER_S
        due_s = self._now_s() + pause_s * (1 + self._chance.random())
        if self._may_come_again(answer) and due_s - turn.first_due_s < PATIENCE_S:
            self._put(turn.again(due_s, content))
        else:
            self._journal.given_up += len(content[2])
        return left_open

    def _may_come_again(self, answer: Answer | None) -> bool:
        """Not after an error; what a batch's answer left open (status 200) was refused."""
        return answer is None or (self._comes_again and (answer.status == 200 or answer.is_polite_refusal))

    def _acknowledge(self, content: Content, body: bytes) -> Content | None:
        """What of a batch was refused and may come again; None when everything is settled."""
        scan_ids, _, marks = content
        if len(marks) == 1 or b'"problem"' not in body:
            self._journal.acknowledge(scan_ids)
            self._journal.wrong_answers += wrong_answers(body, marks)
            return None
        return self._acknowledge_items(content, orjson.loads(body)["results"])

    def _acknowledge_items(self, content: Content, results: list[dict[str, object]]) -> Content | None:
        scan_ids, sent, marks = content
        left_ids: bytes = b""
        left: list[object] = []
        left_marks: list[bytes] = []
        for n, (result, body) in enumerate(zip(results, orjson.loads(sent)["scans"], strict=True)):
            scan_id = scan_ids[n * SCAN_ID_BYTES : (n + 1) * SCAN_ID_BYTES]
            problem = result.get("problem")
            if problem is None:
                self._journal.acknowledge(scan_id)
                self._journal.wrong_answers += wrong_answers(orjson.dumps(result), [marks[n]])
            elif isinstance(problem, dict) and problem["status"] == 503:
                left_ids += scan_id
                left.append(body)
                left_marks.append(marks[n])
            else:
                self._journal.wrong_answers += 1
                self._journal.given_up += 1
        return (left_ids, orjson.dumps({"scans": left}), left_marks) if left_marks else None

    def _put(self, turn: Turn) -> None:
        heapq.heappush(self._waiting, (turn.due_s, next(self._numbers), turn))


def wrong_answers(body: bytes, marks: list[bytes]) -> int:
    """How many answers of a body do not tell what they must (scans.py's `marks`)."""
    if len(marks) == 1:
        return 0 if marks[0] in body else 1
    return sum(max(0, marks.count(mark) - body.count(mark)) for mark in set(marks))
