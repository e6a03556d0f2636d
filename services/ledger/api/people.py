"""GET /v1/people/{person_ref}/file: everything about one person in all ledgers."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from chassis.access_log import log_looks
from chassis.auth import Bearer, hiding, needs
from chassis.collisions import DoneAgain
from chassis.texts import shown
from services.ledger.api.forms import Shown
from services.ledger.api.parts import OFFICIALS, Parts, entry_shown
from services.ledger.domain.errors import PersonNotFound
from services.ledger.store import views

Official = Annotated[Bearer, Depends(needs(*OFFICIALS))]


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(route_class=DoneAgain, tags=["people"])

    @router.get("/v1/people/{person_ref}/file")
    def read_file(person_ref: UUID, bearer: Official, request: Request) -> Shown:
        """Entries, moves, meetings, alarms and evidence in order, with who and when; the reading itself is logged.

        Whoever answers for one of the person's areas may read it.
        """
        with parts.database.transaction() as tx:
            file = views.person_file(tx, person_ref)
            is_reached = any(bearer.can_see_area(area) for area in file.areas)
            route = request.scope["route"].path
            log_looks(tx, bearer, what="file", route=route, persons=[person_ref], is_refused=not is_reached)
        if not is_reached:
            with hiding(bearer, parts.city.areas.root, PersonNotFound):
                raise PersonNotFound
        return _shown(parts, person_ref, file)

    return router


def _shown(parts: Parts, person_ref: UUID, file: views.PersonFile) -> Shown:
    named = {
        column: shown(parts.sealer.open(bytes(value), person_ref=person_ref, column=column))
        for column, value in file.sealed.items()
    }
    return {
        "person_ref": person_ref,
        "name": named.get("name"),
        "phone": named.get("phone"),
        "area": file.area,
        "entries": [entry_shown(entry, file.traces) for entry in file.entries],
        "timeline": file.timeline,
    }
