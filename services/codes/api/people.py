"""Enrol, declare, read the code, mint a pass."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from chassis.auth import Bearer, needs, outside
from chassis.collisions import DoneAgain
from chassis.ids import uuid7
from chassis.problems import Problem
from city.areas import NODE
from city.documents import person_ref_of
from services.codes.api import models
from services.codes.api.desk import AtDesk, log_look, look_at, require_own, unreached
from services.codes.api.problems import refuse_fields
from services.codes.domain.bounds import misplaced_in_declaration
from services.codes.domain.dossier import Declaration
from services.codes.domain.errors import PersonDead
from services.codes.domain.people import Identity
from services.codes.use_cases.declarations import declare
from services.codes.use_cases.enrolment import enrol_person

router = APIRouter(route_class=DoneAgain, prefix="/v1/people", tags=["people"])

Enroller = Annotated[Bearer, Depends(needs("operator", "community", "citizen"))]
Declarer = Annotated[Bearer, Depends(needs("citizen", "operator", "community"))]
Looker = Annotated[Bearer, Depends(needs("citizen", "operator", "authority", "community"))]
Shower = Annotated[Bearer, Depends(needs("citizen", "operator"))]


@router.post("", status_code=201, response_model=models.PersonAnswer, responses={200: {"model": models.PersonAnswer}})
def enrol(
    body: models.PersonBody, desk: AtDesk, bearer: Enroller, request: Request, response: Response
) -> dict[str, UUID]:
    """Enrol a person, or find the one whose document it is: then an official is answered 200, a citizen 201 as ever.

    What was written first stays. An official's look-up of a document is logged, also when it is refused.
    """
    area = body.residence.area if body.residence else ""
    if area and not desk.areas.has(area):
        refuse_fields([("residence.area", NODE)])
    document, is_official = body.document.document(), bearer.has_role("operator", "community")
    if not is_official and bearer.person_ref is not None:
        raise Problem(403, "person_refused", "You are enrolled already.")
    if is_official and not bearer.can_see_area(area or desk.office.city_root):
        with desk.database.transaction() as tx:
            person_ref = person_ref_of(desk.office.city_key, document)
            log_look(tx, bearer, person_ref, "enrolment", request, is_refused=True)
        raise outside(bearer)
    identity = Identity(body.name, body.phone, body.birth_date, body.residence.address if body.residence else None)
    with desk.database.transaction() as tx:
        person_ref, is_new = enrol_person(tx, desk.office, document, identity, area, desk.clock())
        log_look(tx, bearer, person_ref, "enrolment", request)
    # A citizen who is told whether a document is enrolled is told something about its holder.
    response.status_code = 201 if is_new or not is_official else 200
    return {"person_ref": person_ref}


@router.post("/{person_ref}/declarations", status_code=201, response_model=models.DeclarationAnswer)
def make_declaration(
    person_ref: UUID, body: models.DeclarationBody, desk: AtDesk, bearer: Declarer, request: Request
) -> dict[str, Any]:
    """Declare one's health, or somebody's as an official; the answer is the code that follows."""
    require_own(bearer, person_ref, "operator", "community")
    now = desk.clock()
    made_at, stays = body.made_at or now, [stay.stay() for stay in body.stays]
    refuse_fields(misplaced_in_declaration(made_at, stays, desk.areas, now))
    declaration = Declaration(
        uuid7(now), made_at, body.temperature_tenths(), tuple(body.symptoms), body.contact_with_case, tuple(stays)
    )
    with desk.database.transaction() as tx:
        person = look_at(tx, desk, bearer, person_ref, "declaration", request)
    if person is None:
        raise unreached(desk, bearer, person_ref)
    with desk.database.transaction() as tx:
        code = declare(tx, desk.office, person_ref, declaration, bearer.subject, now)
    return {"declaration_id": declaration.declaration_id, "code": models.code_answer(code, desk.appeal_url)}


@router.get("/{person_ref}/code", response_model=models.CodeAnswer)
def read_code(person_ref: UUID, desk: AtDesk, bearer: Looker, request: Request) -> dict[str, Any]:
    """The colour, with the rules and evidence behind it, what comes next, and where to appeal."""
    require_own(bearer, person_ref, "operator", "authority", "community")
    with desk.database.transaction() as tx:
        person = look_at(tx, desk, bearer, person_ref, "code", request)
        code = None if person is None else desk.office.people.code_of(tx, person_ref)[1]
    if code is None:
        raise unreached(desk, bearer, person_ref)
    return models.code_answer(code, desk.appeal_url)


@router.post("/{person_ref}/passes", status_code=201, response_model=models.PassAnswer)
def mint_pass(
    person_ref: UUID, body: models.PassBody, desk: AtDesk, bearer: Shower, request: Request
) -> dict[str, Any]:
    """A pass for the QR code: one row read, one signature; no rule is run. The colour is beside it, never in it."""
    require_own(bearer, person_ref, "operator")
    with desk.database.transaction() as tx:
        person = look_at(tx, desk, bearer, person_ref, "pass", request)
    if person is None:
        raise unreached(desk, bearer, person_ref)
    if person.is_void:
        raise PersonDead
    assert person.entry is not None
    token, ends_at = desk.press.mint(body.kind, person.entry, desk.clock())
    return {"token": token, "expires_at": ends_at, "colour": person.colour.word}
