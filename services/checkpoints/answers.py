"""What is answered to scans: the contract's words for a ruling or a refusal, and how many of each there were."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
import structlog
from opentelemetry.metrics import CallbackOptions, Observation

from chassis.problems import MEDIA_TYPE, Problem
from chassis.telemetry import meter
from services.checkpoints.api.problems import problem_of
from services.checkpoints.domain.errors import Overloaded
from services.checkpoints.domain.scans import Attempt, Checkpoint, Ruling
from services.checkpoints.fast_path import Policies
from services.checkpoints.rate_limit import Admission

log = structlog.get_logger("scans")

Answer = dict[str, Any]

_answer_times = meter.create_histogram(
    "scan_answer_seconds",
    unit="s",
    description="the time of answers of the scan path, one of 16, by route and status",
    explicit_bucket_boundaries_advisory=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_TIMED_ONE_IN = 16


class AnswerTimes:
    """Counts answers exactly and keeps the time of one in sixteen."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        meter.create_observable_counter(
            "scan_answers", [self._observe], description="answers of the scan path, by route and status"
        )

    def take(self, route: str, status: int, seconds: float) -> None:
        count = self._counts[route, status] = self._counts.get((route, status), 0) + 1
        if count % _TIMED_ONE_IN == 1:
            _answer_times.record(seconds, {"route": route, "status": status})

    def _observe(self, _options: CallbackOptions) -> list[Observation]:
        return [
            Observation(count, {"route": route, "status": status})
            for (route, status), count in list(self._counts.items())
        ]


def answer(attempt: Attempt, checkpoint: Checkpoint, ruling: Ruling, policies: Policies) -> Answer:
    """What the contract says of a recorded scan."""
    say = policies.words(checkpoint.kind, ruling)
    return {
        "scan_id": attempt.scan_id,
        "decision": ruling.decision,
        "colour": ruling.colour,
        "refusal": ruling.refusal,
        "say": {"zh": say.zh, "en": say.en},
        "policy_version": ruling.policy_version,
        "board_revision": ruling.board_revision,
        "recorded_at": ruling.recorded_at,
    }


def with_people(
    attempt: Attempt, checkpoint: Checkpoint, rulings: tuple[Ruling, Sequence[Ruling]], policies: Policies
) -> Answer:
    """The same of a vehicle, with an answer for each of its people."""
    own, each = rulings
    people = [answer(person, checkpoint, ruling, policies) for person, ruling in zip(attempt.people, each, strict=True)]
    return answer(attempt, checkpoint, own, policies) | {"people": people}


def each_of(attempt: Attempt, checkpoint: Checkpoint, recorded: Answer) -> list[tuple[Attempt, Checkpoint, Answer]]:
    """A scan with its answer, and those of a vehicle's people."""
    people = zip(attempt.people, recorded.get("people", ()), strict=True)
    return [(attempt, checkpoint, recorded), *((person, checkpoint, each) for person, each in people)]


def refusal(error: Exception, admission: Admission) -> tuple[int, bytes, str, Mapping[str, str] | None]:
    """(status, body, media type, headers) for an error; who was refused by the queue is told when to come again."""
    if isinstance(error, Overloaded):
        return overload(error.retry_after_s or admission.turn_s(time.monotonic()))
    problem = problem_for(error)
    return problem.status, orjson.dumps(problem.document()), MEDIA_TYPE, problem.headers


@lru_cache(maxsize=64)
def overload(retry_after_s: int) -> tuple[int, bytes, str, Mapping[str, str] | None]:
    """The same for a scan that is shed: made once for each time, for a storm has thousands of them a second."""
    problem = problem_for(Overloaded(retry_after_s))
    return problem.status, orjson.dumps(problem.document()), MEDIA_TYPE, problem.headers


def problem_for(error: Exception) -> Problem:
    """What a caller reads of any error; one that nobody foresaw is logged."""
    problem = problem_of(error)
    if problem is not None:
        return problem
    log.error("unexpected error on the scan path", error=type(error).__name__, exc_info=error)
    return Problem(500, "unexpected_error", "Something went wrong here; nothing is known to be recorded. Try again.")
