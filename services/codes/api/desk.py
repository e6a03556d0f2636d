"""What the endpoints work with, and the question they all ask: may this bearer reach this person?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import Connection

from chassis.auth import Bearer, area_refused
from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Problem
from city.areas import AreaTree
from services.codes.domain.people import Person
from services.codes.use_cases.ports import AccessLog, Identities, Office, Press, PublicKeys, Published, Seal


@dataclass(frozen=True, slots=True)
class Desk:
    """Put together in main.py; one per application."""

    database: Database
    office: Office
    access_log: AccessLog
    identities: Identities
    sealer: Seal
    published: Published
    press: Press
    keys: PublicKeys
    areas: AreaTree
    clock: Clock
    appeal_url: str


async def _desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk_of)]


def require_own(bearer: Bearer, person_ref: UUID, *officials: str) -> None:
    """A citizen reaches only their own data; said before anything is looked up."""
    if not bearer.has_role(*officials) and not bearer.is_person(person_ref):
        raise Problem(403, "person_refused", "Your token does not reach this person.")


def require_reach(desk: Desk, bearer: Bearer, person: Person) -> None:
    """An official reaches their own subtree; a person without residence belongs to the city."""
    area = person.area or desk.office.city_root
    if not bearer.is_person(person.person_ref) and not bearer.can_see_area(area):
        raise area_refused(area)


def log_look(tx: Connection, desk: Desk, bearer: Bearer, person_ref: UUID, what: str, request: Request) -> None:
    """A look by anybody but the person is logged."""
    if not bearer.is_person(person_ref):
        route = getattr(request.scope.get("route"), "path", request.method)
        desk.access_log.write(
            tx, subject=bearer.subject, person_ref=person_ref, what=what, route=route, at=desk.clock()
        )
