"""Evidence from those who may give it: one piece or up to 1,000, all of a request or nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BeforeValidator, Field, SkipValidation, TypeAdapter
from sqlalchemy import Connection

from chassis.access_log import log_looks
from chassis.auth import Bearer, needs, outside
from chassis.collisions import DoneAgain
from chassis.long_lists import read_each
from city.documents import person_ref_of
from services.codes.api import models
from services.codes.api.desk import AtDesk, Desk
from services.codes.api.problems import refuse_fields
from services.codes.domain.bounds import misplaced_in_evidence
from services.codes.domain.dossier import Evidence
from services.codes.use_cases.evidence import take_evidence

ROUTE = "/v1/evidence"
router = APIRouter(route_class=DoneAgain, prefix=ROUTE, tags=["evidence"])

Reporter = Annotated[Bearer, Depends(needs("authority", "service", scope="evidence"))]
EVIDENCE_MAX = 1_000


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


OneOrMore = Annotated[
    list[Annotated[models.EvidenceBody, SkipValidation]],
    Field(min_length=1, max_length=EVIDENCE_MAX),
    BeforeValidator(_listed, json_schema_input_type=models.EvidenceBody | list[models.EvidenceBody]),
]

_EVIDENCE = TypeAdapter(models.EvidenceBody)


@router.post("", status_code=202, response_model=models.EvidenceAnswer)
def give_evidence(body: OneOrMore, desk: AtDesk, bearer: Reporter) -> dict[str, int]:
    """Take evidence and re-evaluate whom it touches. The same `evidence_id` again has no effect; with other content it
    is refused with everything else in the request."""
    now = desk.clock()
    given = read_each(_EVIDENCE, body)
    evidence = [_evidence(desk, each) for each in given]
    refuse_fields(
        [
            fault
            for number, each in enumerate(evidence)
            for fault in misplaced_in_evidence(each, desk.areas, now, f"{number}.")
        ]
    )
    by_document = {each.person_ref for each, body in zip(evidence, given, strict=True) if body.document is not None}
    with desk.database.transaction() as tx:
        is_reached = _reaches(tx, desk, bearer, evidence)
        asked = by_document if is_reached else {each.person_ref for each in evidence}
        persons = [person_ref for person_ref in asked if person_ref is not None]
        log_looks(tx, bearer, what="evidence", route=ROUTE, persons=persons, is_refused=not is_reached)
    if not is_reached:
        raise outside(bearer)
    with desk.database.transaction() as tx:
        recorded = take_evidence(tx, desk.office, evidence, bearer.subject, now)
    return {"accepted": len(evidence), "recorded": recorded}


def _evidence(desk: Desk, body: models.EvidenceBody) -> Evidence:
    person_ref = body.person_ref
    if body.document is not None:
        person_ref = person_ref_of(desk.office.city_key, body.document.document())
    return Evidence(body.evidence_id, body.kind, person_ref, body.area, body.facts, body.observed_at, body.source)


def _reaches(tx: Connection, desk: Desk, bearer: Bearer, evidence: list[Evidence]) -> bool:
    """About a person: where they live. About an area: the area itself, and the whole city for one outside it."""
    city = desk.office.city_root
    refs = [each.person_ref for each in evidence if each.person_ref is not None]
    homes = desk.office.people.areas_of(tx, refs)
    areas = {homes.get(person_ref) or city for person_ref in refs}
    areas |= {each.area if each.area.startswith(city) else city for each in evidence if each.area is not None}
    return all(bearer.can_see_area(area) for area in areas)
