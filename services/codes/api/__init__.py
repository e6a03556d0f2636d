"""codes over HTTP: thin endpoints, and the one table from domain errors to statuses."""

from __future__ import annotations

from fastapi import FastAPI

from chassis.app import Lifespan, Readiness, create_app
from services.codes.api import evidence, lists, masks, people
from services.codes.api.desk import Desk
from services.codes.api.problems import PROBLEMS
from services.codes.settings import CodesSettings


def build(settings: CodesSettings, desk: Desk, *, lifespan: Lifespan | None = None) -> FastAPI:
    def database() -> Readiness:
        return Readiness(desk.database.is_ready(), {"rule_set": desk.office.rule_set.name})

    checks, is_area = {"database": database}, desk.areas.has
    app = create_app("codes", settings, checks=checks, problems=PROBLEMS, is_area=is_area, lifespan=lifespan)
    app.state.desk = desk
    for router in (people.router, evidence.router, lists.router, masks.router):
        app.include_router(router)
    app.include_router(lists.status_lists_at(settings.status_list_uri))
    return app
