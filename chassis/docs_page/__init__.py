"""`/docs`: Swagger UI of the service's own OpenAPI, with files of this server alone and no script in the page.

The library comes from npm with the lock file, is copied here at build (vendor.py), and is never committed.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

VENDOR = Path(__file__).resolve().parent / "vendor"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: its HTTP interface</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/files/vendor/swagger-ui.css">
</head>
<body>
<div id="swagger-ui">{without}</div>
<script src="docs/files/vendor/swagger-ui-bundle.js"></script>
<script src="docs/files/start.js"></script>
</body>
</html>
"""
_WITHOUT = (
    "The library of this page is missing: run <code>make setup</code>. "
    "The description is at <a href='openapi.json'>openapi.json</a>."
)


def add_docs_page(app: FastAPI, vendor: Path = VENDOR) -> None:
    """All addresses in the page are relative, so that it works behind a prefix too."""
    without = "" if (vendor / "swagger-ui-bundle.js").is_file() else _WITHOUT
    page = _PAGE.format(title=app.title, without=without)

    async def docs(_request: Request) -> HTMLResponse:
        return HTMLResponse(page, headers=_HEADERS)

    app.add_route("/docs", docs, include_in_schema=False)
    app.mount("/docs/files/vendor", StaticFiles(directory=vendor, check_dir=False), name="docs-vendor")
    app.mount("/docs/files", StaticFiles(directory=Path(__file__).parent / "files"), name="docs-files")
