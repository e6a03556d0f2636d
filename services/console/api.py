"""The console's HTTP face: the page and its live stream.

Both carry totals, and alarms as kind, place and owner, of no person: so they need no token. Whatever will show a person
needs one, and is logged.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from chassis.problems import Problem
from services.console.live import Live, LiveResponse
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


def add_routes(app: FastAPI, *, live: Live, overview: Overview, vendor: Path) -> None:
    """`vendor` holds the browser libraries; the page says so when they are not there."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse, tags=["pages"])
    async def overview_page() -> HTMLResponse:
        """The operators' overview, with the figures of this moment; its script keeps them moving."""
        return HTMLResponse(overview.render(live.snapshot), headers=PAGE_HEADERS)

    @router.get(
        "/v1/live",
        tags=["live"],
        response_class=Response,
        responses={
            200: {
                "description": "Server-sent events; each `data` is one JSON object "
                "{at, figures: {known_until, age_s, scans, colours, ledgers, alarms …} | null, processes: […]}",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            503: {"description": "as many screens as one process serves"},
        },
    )
    async def live_stream() -> Response:
        """The figures, once a second, until the reader leaves."""
        if live.is_full():
            raise Problem(
                503, "screens_full", "Too many screens are watching; try again.", headers={"Retry-After": "5"}
            )
        return LiveResponse(live)

    app.include_router(router)
    app.mount("/static/vendor", _Files(directory=vendor, check_dir=False), name="vendor")
    app.mount("/static", _Files(directory=STATIC), name="static")
