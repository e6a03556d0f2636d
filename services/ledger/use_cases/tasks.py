"""Open a task for whoever must receive an arrival, let it be completed, and let none pass its time in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.ids import uuid7
from city.areas import Level
from services.ledger.domain.alarms import Alarm, AlarmKind, Stop
from services.ledger.domain.city import City
from services.ledger.domain.errors import TaskNotFound, VersionStale
from services.ledger.domain.happenings import TaskCompleted, TaskOpened
from services.ledger.domain.records import Record
from services.ledger.domain.tasks import Arrival, Task, TaskKind, TaskOutcome, completed
from services.ledger.use_cases.alarms import alarm_for_stops, raise_alarms
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.keeping import Actor


@dataclass(frozen=True, slots=True)
class CompletionOrder:
    task_id: UUID
    outcome: TaskOutcome
    expected_version: int


def take_arrivals(book: Book, city: City, arrivals: Sequence[Arrival], by: Actor, now: datetime) -> list[Task]:
    """The tasks that were opened, one an arrival, for the community it goes to; a fever alarms besides."""
    proposed = [_task_of(city, arrival, now) for arrival in arrivals]
    new = book.add_tasks(proposed)
    opened = [task for task in proposed if task.task_id in new]
    book.tell([TaskOpened(task) for task in opened])
    book.write_down([_record("task_opened", task, by, task.opened_at) for task in opened])
    fevers = [
        Stop(
            AlarmKind.FEVER,
            str(arrival.registration_id),
            arrival.person_ref,
            arrival.checkpoint_id,
            arrival.area,
            arrival.registered_at,
        )
        for arrival in arrivals
        if arrival.has_fever
    ]
    if fevers:
        alarm_for_stops(book, city, fevers, by, now)
    return opened


def complete_task(book: Book, city: City, order: CompletionOrder, by: Actor, now: datetime) -> Task:
    """The task as completed; the same order again gets the same. Who was not found is an alarm for the area above.

    Raises TaskNotFound, VersionStale, TaskCompletedAlready.
    """
    task = book.lock_task(order.task_id)
    if task is None:
        raise TaskNotFound
    if (task.outcome, task.version) == (order.outcome, order.expected_version + 1):
        return task
    if task.version != order.expected_version:
        raise VersionStale(order.expected_version, task.version)
    done = completed(task, order.outcome, now)
    book.update_task(done, by.name)
    book.tell([TaskCompleted(done)])
    book.write_down([_record("task_completed", done, by, now)])
    if done.outcome is TaskOutcome.NOT_FOUND:
        raise_alarms(book, [_alarm(city, done, AlarmKind.PERSON_NOT_FOUND, now)], by)
    return done


def escalate_overdue_tasks(book: Book, city: City, by: Actor, now: datetime, tasks_max: int = 200) -> int:
    """Alarm the area above each owner who is late, once a task; how many there were."""
    overdue = book.lock_overdue_tasks(now, tasks_max)
    raise_alarms(book, [_alarm(city, task, AlarmKind.DEADLINE_PASSED, now) for task in overdue], by)
    return len(overdue)


def _task_of(city: City, arrival: Arrival, now: datetime) -> Task:
    area = city.areas.nearest(arrival.to_area)
    return Task(
        task_id=uuid7(now),
        kind=TaskKind.RECEIVE_ARRIVAL,
        person_ref=arrival.person_ref,
        owner=city.areas.at_level(area, Level.COMMUNITY),
        area=area,
        due_at=arrival.due_at(),
        opened_at=now,
        cause_id=arrival.registration_id,
        facts={
            "from_area": arrival.from_area,
            "checkpoint_id": arrival.checkpoint_id,
            "registered_at": arrival.registered_at.isoformat(),
            "has_fever": arrival.has_fever,
        },
    )


def _alarm(city: City, task: Task, kind: AlarmKind, now: datetime) -> Alarm:
    return Alarm(
        alarm_id=uuid7(now),
        kind=kind,
        person_ref=task.person_ref,
        entry_id=None,
        owner=city.above(task.owner),
        area=task.area,
        raised_at=now,
        about=f"task/{task.task_id}",
    )


def _record(kind: str, task: Task, by: Actor, at: datetime) -> Record:
    told = {
        "task_id": task.task_id,
        "task": task.kind,
        "owner": task.owner,
        "area": task.area,
        "due_at": task.due_at,
        "cause_id": task.cause_id,
        "outcome": task.outcome,
        "version": task.version,
    }
    return Record(kind, at, by.name, told, None, task.person_ref)
