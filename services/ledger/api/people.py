"""GET /v1/people/{person_ref}/file, POST …/corrections: what the ledger holds about one person, and their name.

The whole file is for those who reach where the person lives; all others see the parts that are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection

from chassis.access_log import log_looks
from chassis.auth import Bearer, hiding, needs
from chassis.collisions import DoneAgain
from chassis.texts import shown
from services.ledger.api.forms import CorrectionForm, Shown
from services.ledger.api.parts import OFFICIALS, Parts, entry_shown
from services.ledger.domain.errors import PersonNotFound
from services.ledger.domain.naming import FIELDS, Naming, NamingKind
from services.ledger.naming import correct_name, namings_of
from services.ledger.store import views

Official = Annotated[Bearer, Depends(needs(*OFFICIALS))]

KEPT_BY_CODES: Shown = {
    "code": "kept_by_codes",
    "kept_in": "codes",
    "may_ask": ["community", "operator"],
    "text": {
        "zh": "台账没有此人的姓名或电话；已登记的人，由健康码服务密封保存，暂不经接口提供。请向其居住地社区询问，"
        "再用 POST /v1/people/{person_ref}/corrections 记入。",
        "en": "The ledger has no name or no phone of this person. Of an enrolled person codes keeps both, sealed, and "
        "gives them out over no address yet. Ask the community where the person lives, then write them down with "
        "POST /v1/people/{person_ref}/corrections.",
    },
}
"""Said wherever a name or a phone is null, until codes tells them to those who must act."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a bearer sees of a person: the file or their part of it, and the names that they may read."""

    is_whole: bool
    file: views.PersonFile
    namings: Sequence[Naming]

    @property
    def is_anything(self) -> bool:
        return not self.file.is_empty

    def standing(self, field: str) -> str | None:
        """The last of the lines that stood; to those who never wrote one that stood, the last that they wrote."""
        stood = [each for each in self.namings if each.kind is not NamingKind.OTHER] or self.namings
        return next((value for each in reversed(stood) if (value := getattr(each, field)) is not None), None)


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(route_class=DoneAgain, tags=["people"])

    @router.get("/v1/people/{person_ref}/file")
    def read_file(person_ref: UUID, bearer: Official, request: Request) -> Shown:
        """Entries, moves, meetings, alarms and evidence in order, with who and when; the reading itself is logged.

        `is_whole` for those who reach where the person lives. To all others an entry of their area shows that entry,
        not the rest. `name_and_phone` says where they are kept when one of them is null.
        """
        with parts.database.transaction() as tx:
            seen = _seen(tx, parts, bearer, person_ref)
            _log(tx, bearer, "file", person_ref, request, is_refused=not seen.is_anything)
        if not seen.is_anything:
            raise _hidden(parts, bearer)
        return _shown(person_ref, seen)

    @router.post("/v1/people/{person_ref}/corrections")
    def correct(person_ref: UUID, form: CorrectionForm, bearer: Official, request: Request) -> Shown:
        """Correct a name or phone that stands, with the reason; what stood stays in the history. Logged.

        By those who reach where the person lives, or whose area wrote down the name that stands.
        """
        now, given = parts.clock(), {field: value for field in FIELDS if (value := getattr(form, field))}
        with parts.database.transaction() as tx:
            seen = _seen(tx, parts, bearer, person_ref)
            may = seen.is_anything and (seen.is_whole or any(_stood(each) for each in seen.namings))
            _log(tx, bearer, "correction", person_ref, request, is_refused=not may)
        if not may:
            raise _hidden(parts, bearer)
        with parts.database.transaction() as tx:
            book = parts.open_book(tx)
            correct_name(
                tx,
                book,
                parts.sealer,
                person_ref,
                given,
                area=bearer.area,
                by=bearer.subject,
                reason=form.reason,
                now=now,
            )
            return _shown(person_ref, _seen(tx, parts, bearer, person_ref))

    return router


def _seen(tx: Connection, parts: Parts, bearer: Bearer, person_ref: UUID) -> _Seen:
    """A person whose residence the ledger does not know belongs to the city."""
    file, namings = views.person_file(tx, person_ref), namings_of(tx, parts.sealer, person_ref)
    if bearer.can_see_area(file.area or parts.city.areas.root):
        return _Seen(True, file, namings)
    own = [each for each in namings if bearer.can_see_area(each.area)]
    # An area that wrote down what stood hears what it was corrected to; another one sees its own lines alone.
    corrections = [each for each in namings if each.kind is NamingKind.CORRECTION and each not in own]
    told = sorted([*own, *corrections], key=lambda each: each.named_at) if any(map(_stood, own)) else own
    return _Seen(False, file.part_for(bearer.can_see_area), told)


def _stood(naming: Naming) -> bool:
    return naming.kind is not NamingKind.OTHER


def _hidden(parts: Parts, bearer: Bearer) -> Exception:
    try:
        with hiding(bearer, parts.city.areas.root, PersonNotFound):
            raise PersonNotFound
    except Exception as error:
        return error


def _log(tx: Connection, bearer: Bearer, what: str, person_ref: UUID, request: Request, *, is_refused: bool) -> None:
    route = request.scope["route"].path
    log_looks(tx, bearer, what=what, route=route, persons=[person_ref], is_refused=is_refused)


def _shown(person_ref: UUID, seen: _Seen) -> Shown:
    standing = {field: seen.standing(field) for field in FIELDS}
    return {
        "person_ref": person_ref,
        **{field: None if value is None else shown(value) for field, value in standing.items()},
        "name_and_phone": KEPT_BY_CODES if None in standing.values() else None,
        "names": [_naming_shown(each) for each in seen.namings],
        "area": seen.file.area,
        "is_whole": seen.is_whole,
        "entries": [entry_shown(entry, seen.file.traces) for entry in seen.file.entries],
        "timeline": seen.file.timeline,
    }


def _naming_shown(of: Naming) -> Shown:
    return {
        "kind": of.kind,
        "name": None if of.name is None else shown(of.name),
        "phone": None if of.phone is None else shown(of.phone),
        "area": of.area,
        "reason": of.reason,
        "named_by": of.named_by,
        "named_at": of.named_at,
    }
