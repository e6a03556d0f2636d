"""For the gates' server: what a guard compares with the card, asked for one scan or a batch; every look is logged."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from chassis.access_log import log_looks
from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.codes.api.desk import AtDesk
from services.codes.api.models import MasksAnswer, MasksBody
from services.codes.use_cases.masks import masks_of

router = APIRouter(route_class=DoneAgain, tags=["masks"])
ROUTE = "/v1/masks"


Comparer = Annotated[Bearer, Depends(needs("service", scope="masks"))]


@router.post(ROUTE, response_model=MasksAnswer)
def read_masks(body: MasksBody, desk: AtDesk, bearer: Comparer) -> dict[str, Any]:
    """The masked name and the end of the document of each person, in the order asked; null for a stranger."""
    with desk.database.transaction() as tx:
        found = masks_of(tx, desk.identities, desk.sealer, [each.wanted() for each in body.people])
        persons = {known[0] for known in found if known is not None}
        log_looks(tx, bearer, what="mask", route=ROUTE, persons=persons, on_behalf_of=body.asked_by)
    return {
        "masks": [
            known and {"name_masked": known[1].name_masked, "document_tail": known[1].document_tail} for known in found
        ]
    }
