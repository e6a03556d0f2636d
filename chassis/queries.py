"""Query parameters that an endpoint does not know are refused, and so is a single one that comes twice.

A parameter that is ignored answers another question than the caller asked: `?at=…` of an endpoint without `at` would
tell of now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import get_args, get_origin
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Cookie, Header, Path
from fastapi.routing import APIRoute

from chassis.problems import FIELD_CHARACTERS_MAX, Problem

PROBES = "probes"
"""The tag of the endpoints that take any query: programs of others ask them."""

_ERRORS_MAX = 50
_NOT_QUERY = (Path, Header, Cookie)
_LISTS = (list, set, tuple, frozenset)


async def known_query_only(request: Request) -> None:
    """A dependency of every endpoint. Raises a `Problem` with status 422."""
    route = request.scope.get("route")
    if not request.scope["query_string"] or not isinstance(route, APIRoute) or PROBES in route.tags:
        return
    known, repeatable = _parameters_of(route)
    require_known((name for name, _ in request.query_params.multi_items()), known, repeatable)


def require_no_query(query_string: bytes) -> None:
    """For what takes none and is served without the framework. Raises a `Problem` with status 422."""
    if query_string:
        names = (name for name, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
        require_known(names, known=())


def require_known(given: Iterable[str], known: Collection[str], repeatable: Collection[str] = ()) -> None:
    """Raises a `Problem` with status 422 that names each parameter at fault, and what is known."""
    seen: set[str] = set()
    unknown: dict[str, None] = {}
    repeated: dict[str, None] = {}
    for name in given:
        if name not in known:
            unknown[name] = None
        elif name in seen and name not in repeatable:
            repeated[name] = None
        seen.add(name)
    if unknown:
        said = f"is not known here; known are {', '.join(sorted(known))}" if known else "is not known here; none is"
        raise _problem("unknown_parameter", "The query has a parameter that is not known here: {}.", unknown, said)
    if repeated:
        raise _problem("repeated_parameter", "The query has a parameter twice: {}.", repeated, "is written once")


def _problem(code: str, detail: str, names: Iterable[str], message: str) -> Problem:
    short = [name[:FIELD_CHARACTERS_MAX] for name in names][:_ERRORS_MAX]
    errors = [{"field": f"query.{name}", "message": message} for name in short]
    return Problem(422, code, detail.format(", ".join(short[:5])), errors=errors)


def _parameters_of(route: APIRoute) -> tuple[frozenset[str], frozenset[str]]:
    """(the query parameters that the route and its dependencies know, those of them that are lists).

    The fields of a model that describes a query come as plain fields, so what is left out is told by what it is.
    """
    fields = [field for field in get_flat_params(route.dependant) if not isinstance(field.field_info, _NOT_QUERY)]
    lists = [field for field in fields if _is_list(field.field_info.annotation)]
    return frozenset(field.alias for field in fields), frozenset(field.alias for field in lists)


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) in _LISTS or any(get_origin(each) in _LISTS for each in get_args(annotation))
