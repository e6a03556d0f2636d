"""Riders who show their codes ten times for each scan: the real ratio, for people look at their own code on the way.

Each showing is a pass that codes mints; the last one is held to a gate. As much as the machine carries: the next
request goes when the last was answered.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import gevent
import orjson
from locust import User, task
from locust.exception import StopUser

from chassis.ids import uuid7
from loadtests.journal import Journal, Kind, Result
from loadtests.line import Answer, Line, Unanswered, head_of
from loadtests.plan import Plan
from loadtests.scenarios.scans import by_pass, marks
from loadtests.scenarios.turns import AGAIN_AFTER_S, START_S

SHOWINGS_A_SCAN = 10
_SHOWN = b'{"kind":"shown"}'


class Rider(User):
    """Somebody's telephone, and the gate that it is held to."""

    abstract = True
    plan: Plan
    journal: Journal
    gates: list[tuple[str, str]]
    marks: dict[str, bytes]
    ended: Callable[[], None]
    _started: float = 0.0
    _riding: int = 0

    @classmethod
    def prepare(cls, plan: Plan, journal: Journal) -> None:
        cls.plan, cls.journal, cls.gates, cls.marks = plan, journal, list(plan.gates.items()), marks()

    @task
    def ride(self) -> None:
        kind = type(self)
        kind._started = kind._started or time.perf_counter() + START_S
        kind._riding += 1
        codes, gates = Line(*self.plan.codes), Line(*self.plan.checkpoints)
        while self._now_s() < self.plan.shape.seconds:
            number = random.randrange(len(self.plan.riders))  # noqa: S311 (a load, no secret)
            person_ref, bearer = self.plan.riders[number]
            shown = head_of(f"/v1/people/{person_ref}/passes", *self.plan.codes, bearer)
            answers = [self._ask(codes, shown, _SHOWN, Kind.SHOWING) for _ in range(SHOWINGS_A_SCAN)]
            if answers[-1] is not None and answers[-1].status == 201:
                self._scan(gates, self.gates[number % len(self.gates)], orjson.loads(answers[-1].body))
        kind._riding -= 1
        if not kind._riding:
            kind.ended()
        raise StopUser

    def _scan(self, line: Line, gate: tuple[str, str], shown: dict[str, str]) -> None:
        """Everybody has a gate of their own: nobody is where no one could have got in the time between.

        Sent once: whatever is not an acceptance, the rider gives up.
        """
        checkpoint_id, token = gate
        now = datetime.now(UTC)
        scan_id = uuid7(now)
        body = by_pass(scan_id, checkpoint_id.encode(), shown["token"].encode(), now)
        self.journal.offered += 1
        answer = self._ask(line, head_of("/v1/scans", *self.plan.checkpoints, token), body, Kind.SINGLE)
        if answer is not None and answer.status == 200:
            self.journal.acknowledge(scan_id.bytes)
            self.journal.wrong_answers += self.marks[shown["colour"]] not in answer.body
            return
        self.journal.given_up += 1
        if answer is None:
            self.journal.leave_unanswered(scan_id.bytes)

    def _ask(self, line: Line, head: bytes, body: bytes, kind: Kind) -> Answer | None:
        """The answer; after a refusal or none the rider pauses."""
        due_s, answer = max(0.0, self._now_s()), None
        with suppress(Unanswered):
            answer = line.post(head, body)
        latency_ms = (self._now_s() - due_s) * 1000
        status = 0 if answer is None else answer.status
        scans = 0 if kind is Kind.SHOWING else 1
        length = 0 if answer is None else len(answer.body)
        is_refused = answer is not None and answer.is_polite_refusal
        self.journal.note(
            Result(due_s, latency_ms, latency_ms, 0.0, status, scans, kind, 1, length=length, is_refused=is_refused)
        )
        if not 200 <= status < 300:
            gevent.sleep(AGAIN_AFTER_S)
        return answer

    def _now_s(self) -> float:
        return time.perf_counter() - self._started
