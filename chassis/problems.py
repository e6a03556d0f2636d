"""Problem documents (RFC 9457): every error a caller reads has a stable `code` and says what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from chassis.database import is_passing, sqlstate_of
from chassis.methods import allowed

log = structlog.get_logger("problems")

MEDIA_TYPE = "application/problem+json"
FIELD_CHARACTERS_MAX = 100

HTTP_ERRORS = {
    400: ("bad_request", "The body could not be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take the method."),
    413: ("content_too_large", "The body is larger than the service accepts."),
}
"""Code and detail of what the framework refuses; the standard library's phrase of a status is not stable enough."""


class StatusTelling(int):
    """A status of a table whose error tells the caller more: these attributes of it, where they are not None."""

    attributes: tuple[str, ...]

    def __new__(cls, status: int, *attributes: str) -> StatusTelling:
        made = super().__new__(cls, status)
        made.attributes = attributes
        return made


class Problem(Exception):
    """An error for the caller; `errors` names fields: [{"field": "scans.0.scan_id", "message": "…"}].

    `members` are of this problem alone, beside those that all have (RFC 9457, section 3.2), and ready to be JSON.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors, self.headers = status, code, detail, errors, headers
        self.members = members

    def document(self) -> dict[str, Any]:
        """The members of RFC 9457 with `code`, where fields are at fault `errors`, and the problem's own."""
        body: dict[str, Any] = {
            "type": f"urn:guanka:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return body | dict(self.members)

    def response(self) -> Response:
        return JSONResponse(self.document(), self.status, headers=dict(self.headers or {}), media_type=MEDIA_TYPE)


def code_of(error: type[Exception]) -> str:
    """`MoveRefused` → `move_refused`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", error.__name__).lower()


def domain_problem(error: Exception, status: int, *, headers: Mapping[str, str] | None = None) -> Problem:
    """What a caller reads of a domain error: its own words, or else the first line of its docstring."""
    told = {name: getattr(error, name) for name in (status.attributes if isinstance(status, StatusTelling) else ())}
    members = {name: jsonable_encoder(value) for name, value in told.items() if value is not None}
    detail = str(error) or first_line(type(error))
    return Problem(int(status), code_of(type(error)), detail, headers=headers, members=members)


def install_problems(app: FastAPI, statuses: Mapping[type[Exception], int]) -> None:
    """Answer the service's domain errors by the table, and everything else that can go wrong, as problem documents."""

    async def domain_error(_request: Request, error: Exception) -> Response:
        status = next(statuses[kind] for kind in type(error).__mro__ if kind in statuses)
        return domain_problem(error, status).response()

    for kind in statuses:
        app.add_exception_handler(kind, domain_error)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(SQLAlchemyError, _database_error)
    app.add_exception_handler(Exception, _unexpected)


def first_line(kind: type[Exception]) -> str:
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0]


def field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Pydantic's errors as field and message; never the value that was given."""
    return [{"field": _field(error), "message": str(error["msg"])} for error in errors]


def _field(error: Mapping[str, Any]) -> str:
    """A field that was not asked for is named by the caller, at whatever length."""
    if error.get("type") == "json_invalid":
        return "body"
    return ".".join(str(part)[:FIELD_CHARACTERS_MAX] for part in error["loc"] if part != "body") or "body"


def store_unavailable() -> Problem:
    return Problem(
        503,
        "store_unavailable",
        "The store cannot be reached now; nothing was recorded. Try again.",
        headers={"Retry-After": "1"},
    )


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = field_errors(error.errors())
    named = ", ".join(each["field"] for each in errors[:5])
    return Problem(422, "invalid_request", f"The request is not valid: {named}.", errors=errors[:50]).response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code, detail = HTTP_ERRORS.get(error.status_code, (re.sub(r"\W+", "_", phrase).lower(), phrase))
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(allowed(request.app.router.routes, request.scope))}
    return Problem(error.status_code, code, detail, headers=headers).response()


async def _database_error(request: Request, error: Exception) -> Response:
    if is_passing(error):
        log.warning(
            "the database is in trouble", route=_route(request), error=type(error).__name__, sqlstate=sqlstate_of(error)
        )
        return store_unavailable().response()
    return await _unexpected(request, error)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error(
        "unexpected error",
        route=_route(request),
        error=type(error).__name__,
        exc_info=error,
    )
    return Problem(500, "unexpected_error", "Something went wrong here; nothing was recorded. Try again.").response()


def _route(request: Request) -> str | None:
    """The route's pattern: a path may hold whom it is about."""
    return getattr(request.scope.get("route"), "path", None)
