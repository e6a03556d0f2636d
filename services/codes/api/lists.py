"""What everybody may read: public keys and signed status lists; and the standings, for services."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.codes.api.desk import AtDesk
from services.codes.store.looks import log_list_look

router = APIRouter(route_class=DoneAgain, tags=["lists"])

Replica = Annotated[Bearer, Depends(needs("service", scope="standings"))]
FOR_SERVICES = [Depends(needs("service", scope="standings"))]
_STANDINGS = "/v1/standings/{number}"
STATUS_LIST_TYPE = "application/statuslist+jwt"
LIST_AGE_S = 60
_STATUS_LIST_PATH = "/v1/status-lists/{number}"
_STATUS_LIST_ANSWERS: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {"content": {STATUS_LIST_TYPE: {}}},
        304: {"description": "the list is still at that revision"},
    },
}


class ListRevision(BaseModel):
    list: int
    revision: int


class RevisionsAnswer(BaseModel):
    lists: list[ListRevision]


class StandingsAnswer(BaseModel):
    """Each text is base64 of zlib: `colours` packed two-bit values, least significant bits first, unassigned 3; `idx`
    little-endian uint32 of the assigned entries; `person_refs` 16 bytes each in the order of `idx`; `void` like `idx`,
    the entries whose passes are void, where there are any."""

    list: int
    revision: int
    size: int = Field(description="entries of the list")
    colours: str
    idx: str | None = None
    person_refs: str | None = None
    void: str | None = None


@router.get("/.well-known/jwks.json")
def read_keys(desk: AtDesk, response: Response) -> dict[str, Any]:
    """The public keys of passes, printed passes and status lists; `typ` tells what each signs."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return desk.keys.jwks()


def read_status_list(number: int, desk: AtDesk, request: Request) -> Response:
    """The signed list (IETF Token Status List), at most a minute old; the ETag is its revision."""
    signed = desk.published.signed(number, desk.clock())
    etag = f'"{signed.revision}"'
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={LIST_AGE_S}"}
    if _names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(signed.token, media_type=STATUS_LIST_TYPE, headers=headers)


def status_lists_at(uri: str) -> APIRouter:
    """The signed lists at their address here, and at the path of the address that passes name: the list's own `sub`."""
    start = urlsplit(uri).path
    own = f"{start}/{{number}}" if start else "/{number:int}"
    found = APIRouter(route_class=DoneAgain, tags=["lists"])
    for path in dict.fromkeys((_STATUS_LIST_PATH, own)):
        found.add_api_route(path, read_status_list, **_STATUS_LIST_ANSWERS)
    return found


@router.get("/v1/standings", response_model=RevisionsAnswer, dependencies=FOR_SERVICES)
def read_revisions(desk: AtDesk) -> dict[str, Any]:
    """Every list with its revision."""
    with desk.database.transaction() as tx:
        return {
            "lists": [{"list": number, "revision": revision} for number, revision in desk.office.lists.revisions(tx)]
        }


@router.get(_STANDINGS, response_class=Response, responses={200: {"model": StandingsAnswer}})
def read_standings(number: int, desk: AtDesk, bearer: Replica, persons: bool = False) -> Response:
    """A list as it is now, in columns, with its revision: what a replica starts from.

    With `persons` every person of the list is logged as shown.
    """
    if persons:
        with desk.database.transaction() as tx:
            log_list_look(tx, bearer, number, route=_STANDINGS)
    return Response(desk.published.columns(number, with_persons=persons), media_type="application/json")


def _names(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags
