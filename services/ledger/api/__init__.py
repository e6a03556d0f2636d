"""The ledger over HTTP: thin endpoints, each opening its transaction in sight."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.responses import Response

from chassis.app import Readiness, create_app
from chassis.problems import Problem
from chassis.settings import ServiceSettings
from services.ledger.api import alarms, entries, journal, ledgers, people, tasks
from services.ledger.api.parts import Parts
from services.ledger.domain.errors import (
    AlreadyOpen,
    EntryAlreadyOpen,
    EntryIdTaken,
    EntryNotFound,
    InvalidRequest,
    LedgerNotFound,
    MoveRefused,
    NothingToCorrect,
    PersonDead,
    PersonNotFound,
    RoleRefused,
    TaskCompletedAlready,
    TaskNotFound,
    VersionStale,
)

PROBLEMS: dict[type[Exception], int] = {
    LedgerNotFound: 404,
    EntryNotFound: 404,
    PersonNotFound: 404,
    TaskNotFound: 404,
    EntryAlreadyOpen: 409,
    AlreadyOpen: 409,
    NothingToCorrect: 409,
    EntryIdTaken: 409,
    MoveRefused: 409,
    PersonDead: 409,
    TaskCompletedAlready: 409,
    VersionStale: 412,
    RoleRefused: 403,
    InvalidRequest: 422,
}


def ledger_app(settings: ServiceSettings, parts: Parts) -> FastAPI:
    checks = {"database": lambda: Readiness(parts.database.is_ready())}
    app = create_app("Guanka ledger", settings, checks=checks, problems=PROBLEMS, is_area=parts.city.areas.has)
    app.add_exception_handler(InvalidRequest, _invalid_request)
    for routes in (ledgers, entries, people, alarms, tasks, journal):
        app.include_router(routes.routes(parts))
    return app


async def _invalid_request(_request: Request, error: Exception) -> Response:
    """The same document as for a malformed body, so that a caller reads one form."""
    assert isinstance(error, InvalidRequest)
    errors = [{"field": field, "message": message} for field, message in error.errors]
    return Problem(PROBLEMS[InvalidRequest], "invalid_request", str(error), errors=errors).response()
