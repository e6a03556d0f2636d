"""What is written down of a person's name and phone: kept beside what stands, and changed by a correction only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from services.ledger.domain.errors import NothingToCorrect
from services.ledger.domain.naming import Naming, NamingKind, added, kind_of
from services.ledger.domain.records import Record
from services.ledger.sealing import Sealer
from services.ledger.store import names
from services.ledger.use_cases.book import Book


def name_person(
    tx: Connection, sealer: Sealer, person_ref: UUID, given: Mapping[str, str], *, area: str, by: str
) -> None:
    """Write down what came with an entry. Another name than the one that stands is kept beside it, not instead."""
    if not given:
        return
    standing = standing_of(tx, sealer, person_ref)
    kind = kind_of(given, standing)
    if kind is None:
        return
    names.let_stand(tx, person_ref, _sealed(sealer, person_ref, added(given, standing)))
    names.write_down(tx, person_ref, _sealed(sealer, person_ref, given), kind=kind, area=area, by=by)


def correct_name(
    tx: Connection,
    book: Book,
    sealer: Sealer,
    person_ref: UUID,
    given: Mapping[str, str],
    *,
    area: str,
    by: str,
    reason: str,
    now: datetime,
) -> None:
    """Change what stands; the journal keeps which fields and who, not the words. Raises NothingToCorrect."""
    standing = standing_of(tx, sealer, person_ref)
    changed = {field: value for field, value in given.items() if standing.get(field) != value}
    if not changed:
        raise NothingToCorrect
    sealed = _sealed(sealer, person_ref, changed)
    names.let_stand(tx, person_ref, sealed)
    names.write_down(tx, person_ref, sealed, kind=NamingKind.CORRECTION, area=area, by=by, reason=reason)
    told = {"fields": sorted(changed), "area": area}
    book.write_down([Record("name_corrected", now, by, told, None, person_ref)])


def standing_of(tx: Connection, sealer: Sealer, person_ref: UUID) -> dict[str, str]:
    return _opened(sealer, person_ref, names.lock_standing(tx, person_ref))


def namings_of(tx: Connection, sealer: Sealer, person_ref: UUID) -> list[Naming]:
    """In the order of writing."""
    return [
        Naming(
            NamingKind(row.kind),
            row.area,
            named_by=row.named_by,
            named_at=row.named_at,
            reason=row.reason,
            **{
                field: None if sealed is None else sealer.open(bytes(sealed), person_ref=person_ref, column=field)
                for field, sealed in (("name", row.name), ("phone", row.phone))
            },
        )
        for row in names.namings_of(tx, person_ref)
    ]


def _sealed(sealer: Sealer, person_ref: UUID, given: Mapping[str, str]) -> dict[str, bytes]:
    return {field: sealer.seal(value, person_ref=person_ref, column=field) for field, value in given.items()}


def _opened(sealer: Sealer, person_ref: UUID, sealed: Mapping[str, bytes]) -> dict[str, str]:
    return {field: sealer.open(value, person_ref=person_ref, column=field) for field, value in sealed.items()}
