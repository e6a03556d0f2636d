"""The HTTP application of checkpoints, without the scan path that stands in front of it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI

from chassis.app import Lifespan, ReadinessCheck, create_app
from services.checkpoints.api import (
    changes,
    destructions,
    devices,
    history,
    live,
    measurement_cases,
    places,
    policies,
    registrations,
    shifts,
    tracing,
    venues,
    visits,
)
from services.checkpoints.api.bundle import router as bundle_router
from services.checkpoints.api.desk import Desk
from services.checkpoints.api.problems import PROBLEMS
from services.checkpoints.api.scan_schemas import document_scan_routes
from services.checkpoints.settings import CheckpointsSettings

_MODULES = (
    places,
    changes,
    history,
    tracing,
    live,
    destructions,
    visits,
    policies,
    registrations,
    devices,
    measurement_cases,
    shifts,
    venues,
)


def build(
    settings: CheckpointsSettings, desk: Desk, *, checks: Mapping[str, ReadinessCheck], lifespan: Lifespan
) -> FastAPI:
    app = create_app(
        "checkpoints", settings, checks=checks, problems=PROBLEMS, is_area=desk.areas.has, lifespan=lifespan
    )
    app.state.desk = desk
    for module in _MODULES:
        app.include_router(module.router)
    app.include_router(bundle_router)
    document_scan_routes(app)
    return app
