"""Open a task for whoever must receive an arrival, let it be completed, and let none pass its time in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from chassis.ids import uuid7
from city.areas import OUTSIDE_OR_NODE, Level
from services.ledger.domain.alarms import Alarm, AlarmKind, Stop
from services.ledger.domain.city import City
from services.ledger.domain.errors import InvalidRequest, TaskNotFound, VersionStale
from services.ledger.domain.happenings import TaskCompleted, TaskOpened
from services.ledger.domain.records import Record
from services.ledger.domain.tasks import OUTSIDE, UNKNOWN, Arrival, Task, TaskKind, TaskOutcome, completed, received_by
from services.ledger.use_cases.alarms import alarm_for_stops, raise_alarms
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.keeping import Actor


@dataclass(frozen=True, slots=True)
class CompletionOrder:
    """`to_area` says where somebody has gone: an area of the tree, a division outside it, `outside` or `unknown`."""

    task_id: UUID
    outcome: TaskOutcome
    expected_version: int
    to_area: str | None = None


def take_arrivals(book: Book, city: City, arrivals: Sequence[Arrival], by: Actor, now: datetime) -> list[Task]:
    """The tasks that were opened, one an arrival, for the community it goes to; a fever alarms besides."""
    proposed = [_task_of(city, arrival, now) for arrival in arrivals]
    new = book.add_tasks(proposed)
    opened = [task for task in proposed if task.task_id in new]
    _tell_opened(book, opened, by)
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


def _open(book: Book, tasks: Sequence[Task], by: Actor) -> None:
    new = book.add_tasks(tasks)
    _tell_opened(book, [task for task in tasks if task.task_id in new], by)


def _tell_opened(book: Book, opened: Sequence[Task], by: Actor) -> None:
    book.tell([TaskOpened(task) for task in opened])
    book.write_down([_record("task_opened", task, by, task.opened_at) for task in opened])


def complete_task(book: Book, city: City, order: CompletionOrder, by: Actor, now: datetime) -> Task:
    """The task as completed; the same order again gets the same. No task about somebody ends with nobody told.

    The community where the person has gone gets a task of its own. The city hears of who has left it, the area above
    of who was not found or has gone nobody knows where, and of a fever that went with them.

    Raises TaskNotFound, VersionStale, TaskCompletedAlready, InvalidRequest.
    """
    task = book.lock_task(order.task_id)
    if task is None:
        raise TaskNotFound
    if (task.outcome, task.version, task.to_area) == (order.outcome, order.expected_version + 1, order.to_area):
        return task
    if task.version != order.expected_version:
        raise VersionStale(order.expected_version, task.version)
    _check_destination(city, task, order)
    following = _following(city, task, order, now)
    told = {} if order.to_area is None else {"to_area": order.to_area}
    told |= {} if following is None else {"followed_by": str(following.task_id)}
    done = completed(task, order.outcome, now, **told)
    book.update_task(done, by.name)
    book.tell([TaskCompleted(done)])
    book.write_down([_record("task_completed", done, by, now)])
    if following is not None:
        _open(book, [following], by)
    raise_alarms(book, _alarms_of_end(city, done, now), by)
    return done


def _check_destination(city: City, task: Task, order: CompletionOrder) -> None:
    """Raises `InvalidRequest`."""
    has_gone = order.outcome is TaskOutcome.GONE_ELSEWHERE
    if has_gone and order.to_area is None:
        raise InvalidRequest(("to_area", f"say where to: {OUTSIDE_OR_NODE}; or `{OUTSIDE}`, or `{UNKNOWN}`"))
    if not has_gone and order.to_area is not None:
        raise InvalidRequest(("to_area", f"this is said with the outcome `{TaskOutcome.GONE_ELSEWHERE}` alone"))
    if order.to_area in (None, OUTSIDE, UNKNOWN):
        return
    assert order.to_area is not None
    if not city.areas.has_or_lies_outside(order.to_area):
        raise InvalidRequest(("to_area", f"{OUTSIDE_OR_NODE}; or `{OUTSIDE}`, or `{UNKNOWN}`"))
    if city.areas.at_level(order.to_area, Level.COMMUNITY) == task.owner:
        raise InvalidRequest(("to_area", "this is the owner's own area; the person has not gone elsewhere"))


def _following(city: City, task: Task, order: CompletionOrder, now: datetime) -> Task | None:
    """The task of the community where the person has gone; the fever and the registration go with them."""
    if order.to_area is None or not city.areas.has(order.to_area):
        return None
    facts = {**task.facts, "from_area": task.area, "registration_id": _registration_of(task)}
    return Task(
        task_id=uuid7(now),
        kind=task.kind,
        person_ref=task.person_ref,
        owner=city.areas.at_level(order.to_area, Level.COMMUNITY),
        area=order.to_area,
        due_at=received_by(task.has_fever, now),
        opened_at=now,
        cause_id=task.task_id,
        facts=facts,
    )


def _registration_of(task: Task) -> str:
    return str(task.facts.get("registration_id", task.cause_id))


def _alarms_of_end(city: City, done: Task, now: datetime) -> list[Alarm]:
    to_area = done.to_area
    if done.outcome is TaskOutcome.RECEIVED or (to_area is not None and city.areas.has(to_area)):
        return []
    if to_area not in (None, UNKNOWN):
        alarms = [replace(_alarm(city, done, AlarmKind.PERSON_LEFT_CITY, now), owner=city.areas.root)]
    else:
        alarms = [_alarm(city, done, AlarmKind.PERSON_NOT_FOUND, now)]
    if done.has_fever:
        alarms.append(replace(alarms[0], alarm_id=uuid7(now), kind=AlarmKind.FEVER))
    return alarms


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
        "to_area": task.to_area,
    }
    return Record(kind, at, by.name, told, None, task.person_ref)
