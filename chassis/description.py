"""What OpenAPI says beyond the endpoints' own words: which problems there are, and where the server is.

FastAPI cannot know it: every refusal is a problem document, also what it refuses itself. Generated clients and `/docs`
read all of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from chassis.auth import BEARER, BEARER_SCHEME
from chassis.queries import PROBES

Schema = dict[str, Any]
Addition = Callable[[Schema], None]

PROBLEM = "ProblemDocument"
_REFERENCE = {"$ref": f"#/components/schemas/{PROBLEM}"}
_CONTENT = {"application/problem+json": {"schema": _REFERENCE}}
_NOT_OURS = ("HTTPValidationError", "ValidationError")
_METHODS = ("get", "put", "post", "delete", "patch")
_LICENCE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
_DOCUMENT = {
    "title": PROBLEM,
    "description": "RFC 9457. `code` is stable; docs/problems.md lists all. A problem may have members of its own.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/FieldProblem"},
        },
    },
    "additionalProperties": True,
}
_FIELD_PROBLEM = {
    "title": "FieldProblem",
    "type": "object",
    "required": ["field", "message"],
    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
}
_ALWAYS = {"431": "the head is too large", "default": "any other problem; its `code` says which"}
_WITH_BEARER = {
    "401": "no valid bearer token",
    "403": "the token does not carry what this needs",
    "503": "the store or the issuer cannot be reached; send the same again after `Retry-After`",
}
_WITH_BODY = {"400": "the body cannot be read", "413": "the body is too large", "422": "a field is not what it must be"}
_WITH_PATH = {"404": "nothing is there"}
_WITH_QUERY = {"422": "a parameter is unknown, or not what it must be"}


def describe(app: FastAPI, *additions: Addition) -> None:
    """Let the application's OpenAPI say all that; `additions` write what is served before the application is reached.

    Called again, with the additions of whoever knows them, it takes the place of what was called before.
    """

    def openapi() -> Schema:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            for add in additions:
                add(schema)
            _complete(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: Schema) -> None:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _NOT_OURS:
        schemas.pop(name, None)
    schemas |= {PROBLEM: _DOCUMENT, "FieldProblem": _FIELD_PROBLEM}
    components["securitySchemes"] = {}
    schema["info"]["license"] = _LICENCE
    schema["servers"] = [{"url": "/", "description": "where this document was read"}]
    for path, operations in schema["paths"].items():
        for method in operations.keys() & set(_METHODS):
            operation = operations[method]
            security = operation.setdefault("security", [])
            if security:
                components["securitySchemes"][BEARER] = BEARER_SCHEME
            _complete_responses(operation, bool(security) and {} not in security, has_path="{" in path)


def _complete_responses(operation: Schema, needs_bearer: bool, has_path: bool) -> None:
    """What an endpoint says of its problems itself stays, and gets the form of a problem."""
    responses = operation["responses"]
    told = {} if PROBES in operation.get("tags", ()) else dict(_WITH_QUERY)
    told |= _WITH_BEARER if needs_bearer else {}
    told |= _WITH_PATH if has_path else {}
    told |= _WITH_BODY if "requestBody" in operation else {}
    for status, description in {**told, **_ALWAYS}.items():
        is_frameworks = "HTTPValidationError" in str(responses.get(status))
        if status not in responses or is_frameworks:
            responses[status] = {"description": description, "content": _CONTENT}
    for status, response in responses.items():
        if status[0] in "45" and not response.get("content"):
            response["content"] = _CONTENT
    operation["responses"] = dict(sorted(responses.items()))
