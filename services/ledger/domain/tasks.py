"""Tasks: somebody must do one thing by a set time, such as receive a person whom a checkpoint has announced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.ledger.domain.errors import TaskCompletedAlready


class TaskKind(StrEnum):
    RECEIVE_ARRIVAL = "receive_arrival"


class TaskStage(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"


class TaskOutcome(StrEnum):
    """How an arrival ended: received by the community, looked for in vain, or gone to another place."""

    RECEIVED = "received"
    NOT_FOUND = "not_found"
    GONE_ELSEWHERE = "gone_elsewhere"


OUTSIDE = "outside"
"""Where somebody has gone who left the city."""
UNKNOWN = "unknown"
"""Where somebody has gone of whom nobody knows where."""

STAGES: Mapping[TaskStage, Mapping[str, TaskStage]] = {
    TaskStage.OPEN: {"complete": TaskStage.COMPLETED},
    TaskStage.COMPLETED: {},
}

RECEIVED_WITHIN = timedelta(hours=24)
"""The second of Conghua's two limits: everybody concerned is under measures within a day."""
RECEIVED_WITH_FEVER_WITHIN = timedelta(hours=2)
"""The first of them: two hours to the source and its contacts."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A person whom a checkpoint registered on the way to an area."""

    registration_id: UUID
    person_ref: UUID
    from_area: str
    to_area: str
    checkpoint_id: str
    area: str
    registered_at: datetime
    has_fever: bool

    def due_at(self) -> datetime:
        return received_by(self.has_fever, self.registered_at)


@dataclass(frozen=True, slots=True)
class Task:
    """`owner` must do it by `due_at`; `facts` tell what about it.

    `cause_id` is what opened it: a registration, or the task that ended where the person had gone on.
    """

    task_id: UUID
    kind: TaskKind
    person_ref: UUID
    owner: str
    area: str
    due_at: datetime
    opened_at: datetime
    cause_id: UUID
    facts: Mapping[str, str | bool]
    version: int = 1
    completed_at: datetime | None = None
    outcome: TaskOutcome | None = None

    @property
    def stage(self) -> TaskStage:
        return TaskStage.OPEN if self.completed_at is None else TaskStage.COMPLETED

    @property
    def has_fever(self) -> bool:
        return self.facts.get("has_fever") is True

    @property
    def to_area(self) -> str | None:
        """Where the person had gone when the task ended: an area, `outside` or `unknown`; None where they had not."""
        told = self.facts.get("to_area")
        return None if told is None else str(told)


def completed(task: Task, outcome: TaskOutcome, now: datetime, **facts: str) -> Task:
    """The task as it ended, with what was told of it then. Raises `TaskCompletedAlready`."""
    if "complete" not in STAGES[task.stage]:
        raise TaskCompletedAlready
    told = {**task.facts, **facts}
    return replace(task, version=task.version + 1, completed_at=now, outcome=outcome, facts=told)


def received_by(has_fever: bool, since: datetime) -> datetime:
    """When somebody who is on the way must have been received."""
    return since + (RECEIVED_WITH_FEVER_WITHIN if has_fever else RECEIVED_WITHIN)
