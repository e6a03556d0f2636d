"""A task is open until it is completed, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.ledger.domain.errors import TaskCompletedAlready
from services.ledger.domain.tasks import STAGES, Arrival, Task, TaskKind, TaskOutcome, TaskStage, completed

NOW = datetime(2020, 2, 11, 8, tzinfo=UTC)


def task() -> Task:
    return Task(uuid4(), TaskKind.RECEIVE_ARRIVAL, uuid4(), "440106001001", "440106001001", NOW, NOW, uuid4(), {})


@pytest.mark.parametrize("outcome", TaskOutcome)
@pytest.mark.parametrize("stage", TaskStage)
def test_every_stage_answers_completion_by_the_table(stage, outcome):
    given = task() if stage is TaskStage.OPEN else completed(task(), TaskOutcome.RECEIVED, NOW)
    if "complete" in STAGES[stage]:
        done = completed(given, outcome, NOW)
        assert (done.stage, done.outcome, done.version) == (STAGES[stage]["complete"], outcome, 2)
    else:
        with pytest.raises(TaskCompletedAlready):
            completed(given, outcome, NOW)


def test_every_stage_has_a_row_and_the_last_one_is_empty():
    assert set(STAGES) == set(TaskStage)
    assert STAGES[TaskStage.COMPLETED] == {}


@pytest.mark.parametrize(("has_fever", "hours"), [(False, 24), (True, 2)])
def test_an_arrival_is_due_within_a_day_and_with_a_fever_within_two_hours(has_fever, hours):
    arrival = Arrival(uuid4(), uuid4(), "420100", "440106001001", "", "440103001", NOW, has_fever)
    assert arrival.due_at() == NOW + timedelta(hours=hours)
