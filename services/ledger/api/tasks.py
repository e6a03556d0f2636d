"""GET /v1/tasks, POST /v1/tasks/{id}/completion: what somebody must do by a set time."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from chassis.access_log import log_looks
from chassis.auth import Bearer, hiding, needs, require_area
from chassis.collisions import DoneAgain
from services.ledger.api.entries import require_listed_area, require_owner
from services.ledger.api.forms import CompletionForm, Shown, TasksQuery
from services.ledger.api.parts import Parts, actor
from services.ledger.domain.errors import TaskNotFound
from services.ledger.domain.tasks import Task, TaskOutcome
from services.ledger.store import views
from services.ledger.use_cases.tasks import CompletionOrder, complete_task

Doer = Annotated[Bearer, Depends(needs("operator", "community"))]
Reader = Annotated[Bearer, Depends(needs("operator", "community", "auditor"))]


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(route_class=DoneAgain, tags=["tasks"])

    @router.get("/v1/tasks")
    def read_tasks(query: Annotated[TasksQuery, Query()], bearer: Reader, request: Request) -> Shown:
        """Tasks of a subtree (the bearer's, unless `area` names a part of it), the newest first; open ones only,
        unless `completed` asks for the others."""
        area = query.area or bearer.area
        require_listed_area(parts, bearer, area)
        require_owner(parts, query.owner)
        asked = views.TaskFilter(
            area=area,
            owner=query.owner,
            is_completed=query.completed,
            overdue_at=parts.clock() if query.overdue else None,
            before=query.cursor,
        )
        with parts.database.transaction() as tx:
            found = views.tasks(tx, asked, query.limit)
            persons = [task.person_ref for task in found]
            log_looks(tx, bearer, what="tasks", route=request.scope["route"].path, persons=persons)
        cursor = found[-1].task_id if len(found) == query.limit else None
        return {"tasks": [task_shown(task) for task in found], "next_cursor": cursor}

    @router.post("/v1/tasks/{task_id}/completion")
    def complete(task_id: UUID, form: CompletionForm, bearer: Doer, request: Request) -> Shown:
        """Say how a task ended; the same again is answered the same.

        Who has gone elsewhere has gone somewhere: with `to_area` the community there gets a task of its own.
        The look is logged first and stays: a refusal tells the task's version.
        """
        order = CompletionOrder(task_id, TaskOutcome(form.outcome), form.expected_version, form.to_area)
        with parts.database.transaction() as tx:
            with hiding(bearer, parts.city.areas.root, TaskNotFound):
                task = views.task_of_id(tx, task_id)
                if task is None:
                    raise TaskNotFound
            require_area(bearer, task.area)
            log_looks(tx, bearer, what="task", route=request.scope["route"].path, persons=[task.person_ref])
        with parts.database.transaction() as tx:
            book = parts.open_book(tx)
            return task_shown(complete_task(book, parts.city, order, actor(bearer, parts), parts.clock()))

    return router


def task_shown(task: Task) -> Shown:
    return {
        "task_id": task.task_id,
        "kind": task.kind,
        "stage": task.stage,
        "person_ref": task.person_ref,
        "owner": task.owner,
        "area": task.area,
        "due_at": task.due_at,
        "opened_at": task.opened_at,
        "version": task.version,
        "completed_at": task.completed_at,
        "outcome": task.outcome,
        "cause_id": task.cause_id,
        "followed_by": task.facts.get("followed_by"),
        "facts": task.facts,
    }
