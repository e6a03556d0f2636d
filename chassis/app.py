"""The shell of every HTTP program here: problems, probes, metrics, body limit, bearer tokens; and how it is served."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn
from fastapi import Depends, FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp

from chassis.auth import Bearer, IsArea, TokenReader
from chassis.body_limit import BodyLimit
from chassis.closing import ClosingConnection, ClosingServer
from chassis.description import describe
from chassis.docs_page import add_docs_page
from chassis.doors import DEFAULT_LIMITS, Limits, connections_max
from chassis.held_bodies import HeldBodies
from chassis.methods import HeadAsGet
from chassis.problems import install_problems
from chassis.queries import PROBES, known_query_only
from chassis.settings import ServiceSettings, SettingsError, trust_of


@dataclass(frozen=True, slots=True)
class Readiness:
    """One thing that must be so before a program takes work; `detail` is shown to operators."""

    is_ready: bool
    detail: object = None


ReadinessCheck = Callable[[], Readiness]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    title: str,
    settings: ServiceSettings,
    *,
    checks: Mapping[str, ReadinessCheck],
    problems: Mapping[type[Exception], int],
    is_area: IsArea | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """A FastAPI application with everything that services have in common, and nothing of any one of them."""

    @asynccontextmanager
    async def started(app: FastAPI) -> AsyncIterator[None]:
        """The description is made before anybody is served: it takes a tenth of a second."""
        app.openapi()
        if lifespan is None:
            yield
        else:
            async with lifespan(app):
                yield

    app = FastAPI(
        title=title,
        version="1",
        lifespan=started,
        telemetry={"logs": False, "tracing": settings.otlp_endpoint is not None},
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(known_query_only)],
    )
    app.state.token_reader = TokenReader(
        settings.auth_jwks,
        issuer=settings.auth_issuer,
        audience=settings.auth_audience,
        is_area=is_area,
        trust=trust_of(settings) if settings.auth_jwks.startswith("https:") else None,
    )
    app.state.held_bodies = HeldBodies(settings.bodies_bytes_max)
    app.add_middleware(
        BodyLimit, bytes_max=settings.body_bytes_max, held=app.state.held_bodies, caller_of=_caller_of(app)
    )
    app.add_middleware(HeadAsGet)
    install_problems(app, problems)
    describe(app)
    add_docs_page(app)
    _add_probes(app, checks)
    return app


def _caller_of(app: FastAPI) -> Callable[[str | None], str]:
    """The subject of a good token; the reader is looked up when it is needed."""

    def subject(authorization: str | None) -> str:
        bearer: Bearer = app.state.token_reader.read(authorization)
        return bearer.subject

    return subject


_NOT_READY = {
    "description": "not ready, with what is missing",
    "content": {"application/json": {"schema": {"type": "object"}}},
}


def _add_probes(app: FastAPI, checks: Mapping[str, ReadinessCheck]) -> None:
    @app.get("/livez", tags=[PROBES])
    async def livez() -> dict[str, str]:
        """The process runs its event loop."""
        return {"status": "alive"}

    @app.get("/readyz", tags=[PROBES], responses={503: _NOT_READY})
    async def readyz() -> JSONResponse:
        """Everything that the program needs before it takes work."""
        found = {name: await asyncio.to_thread(check) for name, check in checks.items()}
        is_ready = all(each.is_ready for each in found.values())
        body = {name: {"ready": each.is_ready, "detail": each.detail} for name, each in found.items()}
        return JSONResponse({"ready": is_ready, "checks": body}, status_code=200 if is_ready else 503)

    @app.get("/metrics", tags=[PROBES])
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(await asyncio.to_thread(generate_latest), media_type=CONTENT_TYPE_LATEST)


class _Config(uvicorn.Config):
    """With what each connection obeys (chassis/direct.py)."""

    limits: Limits


def server(app: ASGIApp, *, host: str, port: int, limits: Limits = DEFAULT_LIMITS) -> uvicorn.Server:
    """The server for an application; at SIGTERM requests are answered, or their connections cleanly closed."""
    config = _Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=ClosingConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=10,
        backlog=4096,
    )
    config.limits = limits
    return ClosingServer(config)


def server_of(app: ASGIApp, settings: ServiceSettings) -> uvicorn.Server:
    """As the settings say: where, by http or by https, and within which limits. Raises `SettingsError`."""
    limits = limits_of(settings)
    made = server(app, host=settings.http_host, port=settings.http_port, limits=limits)
    if settings.http_certificate_file is not None:
        made.config.ssl_certfile, made.config.ssl_keyfile = settings.http_certificate_file, settings.http_key_file
        try:
            made.config.load()
        except OSError as error:
            raise SettingsError(
                f"HTTP_CERTIFICATE_FILE: {settings.http_certificate_file} cannot be used ({type(error).__name__})"
            ) from None
    return made


def limits_of(settings: ServiceSettings) -> Limits:
    return Limits(
        connections_per_address_max=settings.connections_per_address_max,
        connections_max=connections_max(),
        trusted_proxies=settings.trusted_proxies,
    )


def rest_garbage_collector() -> None:
    """What is loaded by now stays for good, so the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def serve(app: ASGIApp, settings: ServiceSettings) -> int:
    """Serve until SIGTERM or SIGINT; the exit status of the process."""
    rest_garbage_collector()
    running = server_of(app, settings)
    run_until_signalled(running)
    return 0 if running.started else 1


def run_until_signalled(running: uvicorn.Server) -> None:
    """Run a server; at SIGTERM or SIGINT it ends and this returns.

    uvicorn raises the signal once more when it has ended: by default that would end the process before its other work
    is put away. A signal that comes before uvicorn listens to it counts too.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        running.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    running.run()
