"""Policies over HTTP: an operator publishes a signed one, everybody at a gate may read what is in force and to come."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from chassis.auth import Bearer, needs, require_area
from chassis.collisions import DoneAgain
from services.checkpoints.api.desk import AtDesk
from services.checkpoints.api.models import PoliciesOut, PolicyIn, PolicyOut, SignedPolicyOut
from services.checkpoints.publication import find_policy
from services.checkpoints.store import policies
from services.checkpoints.store.policies import Published

router = APIRouter(route_class=DoneAgain, tags=["policies"])
Operator = Annotated[Bearer, Depends(needs("operator"))]
Reader = Annotated[
    Bearer, Depends(needs("operator", "gate", "approver", "authority", "auditor", "service", scope="policies"))
]
Version = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}@[0-9]{1,9}$")]


@router.post(
    "/v1/policies",
    status_code=201,
    response_model=PolicyOut,
    responses={200: {"model": PolicyOut, "description": "published before, with the same content"}},
)
def publish(body: PolicyIn, bearer: Operator, desk: AtDesk, response: Response) -> PolicyOut:
    """Publish a signed policy for the whole city: every process is under it two seconds after it takes effect."""
    require_area(bearer, desk.city)
    with desk.database.transaction() as tx:
        published, is_new = desk.publication.publish(tx, body.policy, published_by=bearer.subject, now=desk.clock())
    desk.policies.refresh()
    response.status_code = 201 if is_new else 200
    return _out(desk, published)


@router.get("/v1/policies", response_model=PoliciesOut)
def read_all(_bearer: Reader, desk: AtDesk) -> PoliciesOut:
    """Every policy ever published, in the order in which they take effect."""
    with desk.database.transaction() as tx:
        published = policies.read_all(tx)
    return PoliciesOut(policies=[_out(desk, each) for each in published])


@router.get("/v1/policies/{version}", response_model=SignedPolicyOut)
def read(version: Version, _bearer: Reader, desk: AtDesk) -> dict[str, Any]:
    """One policy, as it was signed."""
    with desk.database.transaction() as tx:
        published = find_policy(tx, version)
    return _out(desk, published).model_dump() | {"policy": published.token}


def _out(desk: AtDesk, published: Published) -> PolicyOut:
    return PolicyOut(
        version=published.version,
        effective_from=published.effective_from,
        published_by=published.published_by,
        published_at=published.published_at,
        in_force=published.version == desk.policies.at(desk.clock()).policy.version,
    )
