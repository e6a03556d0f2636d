"""The console's HTTP face: the page and its live stream.

Without a token both carry totals of the city: no area, no place. A bearer's stream carries the alarms of their subtree
too, as kind, place and owner, of no person. Whatever will show a person is logged.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from chassis.auth import BEARER, Bearer
from chassis.problems import Problem
from services.console.areas import Areas
from services.console.domain.figures import Reach
from services.console.live import Live, LiveResponse, Screen
from services.console.pages.overview import Overview

PROBLEMS: dict[type[Exception], int] = {}
"""The console's domain refuses nothing yet."""

STATIC = Path(__file__).parent / "static"

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Files(StaticFiles):
    """Files of the pages; asked for again with their ETag, so that a new version shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


ALARM_READERS = ("operator", "community", "approver")
"""The roles that read alarms at the ledger read them here."""


def add_routes(
    app: FastAPI,
    *,
    live: Live,
    overview: Overview,
    areas: Areas,
    vendor: Path,
    door_of: Callable[[str], str | None],
) -> None:
    """`vendor` holds the browser libraries; the page says so when they are not there.

    `door_of` gives what screens of an address are counted under, None for the address of a trusted proxy.
    """
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse, tags=["pages"])
    async def overview_page() -> HTMLResponse:
        """The operators' overview, with the figures of this moment; its script keeps them moving."""
        return HTMLResponse(overview.render(live.snapshot), headers=PAGE_HEADERS)

    @router.get(
        "/v1/live",
        tags=["live"],
        openapi_extra={"security": [{}, {BEARER: []}]},
        response_class=Response,
        responses={
            200: {
                "description": "Server-sent events; each `data` is one JSON object "
                "{at, figures: {known_until, age_s, scans, colours, ledgers, alarms …} | null, processes: […], "
                "sources: {checkpoints, codes, ledger: {known_until, age_s}}, "
                "reach: {area, area_name, shows_alarms, alarms_today} | null}",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            401: {"description": "a token that is not valid; without one the totals are read"},
            429: {"description": "as many screens as one address or one subject may have"},
            503: {"description": "as many screens as one process serves"},
        },
    )
    async def live_stream(request: Request) -> Response:
        """The figures, once a second, until the reader leaves or the token expires.

        Without a token they are totals of the city. With one `figures.alarms` lists the newest alarms of the bearer's
        subtree, for the roles operator, community and approver; `reach` says which subtree it is.
        """
        screen = _screen_of(request)
        if live.has_too_many_of(screen.caller):
            raise Problem(
                429,
                "too_many_screens",
                "There are too many live streams of this address or subject. Close one first.",
                headers={"Retry-After": "5"},
            )
        if live.is_full_for(screen):
            raise Problem(
                503, "screens_full", "Too many screens are watching; try again.", headers={"Retry-After": "5"}
            )
        return LiveResponse(live, screen)

    def _screen_of(request: Request) -> Screen:
        authorization = request.headers.get("authorization")
        if authorization is None:
            door = door_of(request.client.host) if request.client else None
            return Screen(caller=None if door is None else ("address", door))
        bearer: Bearer = request.app.state.token_reader.read(authorization)
        shows_alarms = bool(bearer.area) and bearer.has_role(*ALARM_READERS)
        reach = Reach(bearer.area, areas.name_of(bearer.area), shows_alarms)
        return Screen(reach, ends_at=bearer.expires_at, caller=("subject", bearer.subject))

    app.include_router(router)
    app.mount("/static/vendor", _Files(directory=vendor, check_dir=False), name="vendor")
    app.mount("/static", _Files(directory=STATIC), name="static")
