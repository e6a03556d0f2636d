"""Entries: open, move, read."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from chassis.access_log import log_looks
from chassis.auth import Bearer, hiding, needs, outside, require_area
from chassis.collisions import DoneAgain
from city.areas import NODE
from city.documents import DocumentMalformed, person_ref_of, read_document
from services.ledger.api.forms import EntriesQuery, MoveForm, OpeningForm, PersonForm, Shown
from services.ledger.api.parts import OFFICIALS, Parts, actor, answer_shown, entry_shown
from services.ledger.domain.entries import Entry
from services.ledger.domain.errors import (
    AlreadyOpen,
    EntryAlreadyOpen,
    EntryIdTaken,
    EntryNotFound,
    InvalidRequest,
    PersonDead,
)
from services.ledger.domain.naming import FIELDS
from services.ledger.naming import name_person
from services.ledger.store import views
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.moving import MoveOrder, move_by_order
from services.ledger.use_cases.opening import OpeningOrder, open_by_order

Official = Annotated[Bearer, Depends(needs(*OFFICIALS))]
Reader = Annotated[Bearer, Depends(needs(*OFFICIALS, "auditor"))]


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(route_class=DoneAgain, tags=["entries"])

    @router.post("/v1/entries", status_code=201, responses={200: {"description": "the same order again"}})
    def open_entry(form: OpeningForm, bearer: Official, request: Request, response: Response) -> Shown:
        """Open an entry; with an `entry_id` of the caller's the order may be sent again.

        A look-up by document is logged, and every answer that tells what the ledger holds. What another area holds of
        the person is told as `already_open` and no more.
        """
        require_listed_area(parts, bearer, form.area)
        order, route = _order_of(parts, form), request.scope["route"].path
        refusal: EntryAlreadyOpen | AlreadyOpen | EntryIdTaken | PersonDead | None = None
        with parts.database.transaction() as tx:
            book = parts.open_book(tx)
            try:
                answer, is_new = open_by_order(book, parts.city, order, actor(bearer, parts), parts.clock())
                if is_new:
                    given = {field: value for field in FIELDS if (value := getattr(form.person, field))}
                    name_person(tx, parts.sealer, order.person_ref, given, area=form.area, by=bearer.subject)
            except EntryIdTaken as error:
                refusal = error
            except (EntryAlreadyOpen, PersonDead) as error:
                refusal = error if _reaches_reason(parts, book, bearer, order.person_ref, error) else AlreadyOpen()
            if refusal is not None or not is_new or form.person.document is not None:
                log_looks(
                    tx, bearer, what="opening", route=route, persons=[order.person_ref], is_refused=refusal is not None
                )
        if refusal is not None:
            raise refusal
        response.status_code = 201 if is_new else 200
        return answer_shown(answer)

    @router.post("/v1/entries/{entry_id}/moves")
    def move_entry(entry_id: UUID, form: MoveForm, bearer: Official, request: Request) -> Shown:
        """Move an entry to the stage that its definition says.

        The look is logged first and stays: a refusal tells the entry's stage or version.
        """
        order = MoveOrder(entry_id, form.move, form.facts, form.expected_version)
        with parts.database.transaction() as tx:
            entry = reached_entry(parts, parts.open_book(tx), bearer, entry_id)
            log_looks(tx, bearer, what="move", route=request.scope["route"].path, persons=[entry.person_ref])
        with parts.database.transaction() as tx:
            book = parts.open_book(tx)
            return answer_shown(move_by_order(book, parts.city, order, actor(bearer, parts), parts.clock()))

    @router.get("/v1/entries/{entry_id}")
    def read_entry(entry_id: UUID, bearer: Reader, request: Request) -> Shown:
        with parts.database.transaction() as tx:
            entry = reached_entry(parts, parts.open_book(tx), bearer, entry_id)
            log_looks(tx, bearer, what="entry", route=request.scope["route"].path, persons=[entry.person_ref])
            traces = views.traces_of(tx, [entry])
        return entry_shown(entry, traces)

    @router.get("/v1/entries")
    def read_entries(query: Annotated[EntriesQuery, Query()], bearer: Reader, request: Request) -> Shown:
        """Entries of a subtree (the bearer's, unless `area` names a part of it), the newest first."""
        area = query.area or bearer.area
        require_listed_area(parts, bearer, area)
        require_owner(parts, query.owner)
        asked = views.EntryFilter(
            area=area,
            ledger=query.ledger,
            stage=query.stage,
            owner=query.owner,
            overdue_at=parts.clock() if query.overdue else None,
            before=query.cursor,
        )
        with parts.database.transaction() as tx:
            found = views.entries(tx, asked, query.limit)
            persons = [entry.person_ref for entry in found]
            log_looks(tx, bearer, what="entries", route=request.scope["route"].path, persons=persons)
            traces = views.traces_of(tx, found)
        cursor = found[-1].entry_id if len(found) == query.limit else None
        return {"entries": [entry_shown(entry, traces) for entry in found], "next_cursor": cursor}

    return router


def require_listed_area(parts: Parts, bearer: Bearer, area: str) -> None:
    """Raises `InvalidRequest` for an area that is not in the tree, a `Problem` (403) for one out of reach."""
    if not bearer.area:
        raise outside(bearer)
    if not parts.city.areas.has(area):
        raise InvalidRequest(("area", NODE))
    require_area(bearer, area)


def reached_entry(parts: Parts, book: Book, bearer: Bearer, entry_id: UUID) -> Entry:
    """The entry. Raises `EntryNotFound`, or for a bearer of less than the city one `Problem` (403) for every other."""
    with hiding(bearer, parts.city.areas.root, EntryNotFound):
        entry = book.entry(entry_id)
        if entry is None:
            raise EntryNotFound
    require_area(bearer, entry.area)
    return entry


def _reaches_reason(
    parts: Parts, book: Book, bearer: Bearer, person_ref: UUID, error: EntryAlreadyOpen | PersonDead
) -> bool:
    """Whether the bearer may read the entry for which another one is refused."""
    if isinstance(error, EntryAlreadyOpen):
        held = book.entry(error.entry_id)
        return held is not None and bearer.can_see_area(held.area)
    barring = parts.city.ledgers.barring_stages(parts.clock())
    recorded = [each for each in book.entries_of([person_ref]) if (each.ledger, each.stage) in barring]
    return any(bearer.can_see_area(each.area) for each in recorded)


def require_owner(parts: Parts, owner: str | None) -> None:
    """Raises `InvalidRequest` for an owner that is not in the tree: nobody's list is empty because of a slip."""
    if owner is not None and not parts.city.areas.has(owner):
        raise InvalidRequest(("owner", NODE))


def _order_of(parts: Parts, form: OpeningForm) -> OpeningOrder:
    return OpeningOrder(
        ledger=form.ledger,
        person_ref=_person_ref(parts, form.person),
        area=form.area,
        facts=form.facts,
        entry_id=form.entry_id,
        opened_at=form.opened_at,
    )


def _person_ref(parts: Parts, person: PersonForm) -> UUID:
    if person.document is None:
        assert person.person_ref is not None
        return person.person_ref
    try:
        document = read_document(person.document.type, person.document.country, person.document.number)
    except DocumentMalformed as error:
        raise InvalidRequest((f"person.document.{error.field}", str(error))) from None
    return person_ref_of(parts.city_key, document)
