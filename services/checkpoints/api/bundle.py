"""All that a gate needs without a network, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Query, Response

from chassis.auth import Bearer, hiding, needs, require_area
from chassis.collisions import DoneAgain
from services.checkpoints.api.desk import AtDesk
from services.checkpoints.api.models import BundleOut
from services.checkpoints.bundle_signing import NONCE_PATTERN
from services.checkpoints.bundles import bundle_of, tags_of
from services.checkpoints.domain.errors import BundleNotReady, CheckpointNotFound, CheckpointRefused
from services.checkpoints.domain.life import holding
from services.checkpoints.store import lives, policies, standings

router = APIRouter(route_class=DoneAgain, tags=["gates"])
Gate = Annotated[Bearer, Depends(needs("gate"))]
Known = Annotated[str, Header(alias="If-None-Match", max_length=8192, description='lists it has: `"1.17", "2.9"`')]
Nonce = Annotated[str | None, Query(pattern=NONCE_PATTERN, description="what the gate has thrown for this question")]


@router.get("/v1/bundle", response_class=Response, responses={200: {"model": BundleOut}})
def read_bundle(
    checkpoint: Annotated[UUID, Query(description="to which the gate is bound")],
    bearer: Gate,
    desk: AtDesk,
    if_none_match: Known = "",
    nonce: Nonce = None,
) -> Response:
    """Keys, signed policies and signed status lists; `If-None-Match` leaves out the lists that the gate has.

    All of it is signed together, with the `nonce` of the gate: nobody can answer with a bundle of before.
    """
    if str(checkpoint) not in bearer.checkpoints:
        raise CheckpointRefused()
    now = desk.clock()
    with desk.database.transaction() as tx:
        timelines = lives.timelines(tx, [checkpoint])
        jwks = standings.read_jwks(tx)
        epoch = policies.epoch(tx)
    with hiding(bearer, desk.city, CheckpointNotFound):
        if not timelines:
            raise CheckpointNotFound()
    require_area(bearer, holding(timelines[0], now).area)
    if jwks is None:
        raise BundleNotReady()
    bundle: dict[str, Any] = bundle_of(
        versions=timelines[0],
        policy=desk.policies.current,
        upcoming=desk.policies.upcoming(),
        jwks=jwks,
        policy_jwks=desk.policy_jwks,
        held=desk.signed_lists.current(),
        known_tags=tags_of(if_none_match),
        status_list_uri=desk.status_list_uri,
        now=now,
        epoch=epoch,
        nonce=nonce,
    )
    signed = orjson.dumps(desk.bundle_signer.signed(bundle))
    return Response(signed, media_type="application/json", headers={"Cache-Control": "no-store"})
