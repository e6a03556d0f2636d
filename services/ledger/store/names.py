"""Names and phones: what stands of a person, and every line that was written down of them. All sealed."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.dialects.postgresql import insert

from services.ledger.domain.naming import FIELDS, NamingKind
from services.ledger.store.tables import naming, person


def lock_standing(tx: Connection, person_ref: UUID) -> dict[str, bytes]:
    """The sealed name and phone that stand; nobody else changes them until the transaction ends."""
    tx.execute(insert(person).values(person_ref=person_ref).on_conflict_do_nothing())
    row = tx.execute(sa.select(person).where(person.c.person_ref == person_ref).with_for_update()).one()
    return {field: bytes(value) for field in FIELDS if (value := getattr(row, field)) is not None}


def let_stand(tx: Connection, person_ref: UUID, sealed: Mapping[str, bytes]) -> None:
    """What is not given stays as it was."""
    if sealed:
        changed = sa.update(person).where(person.c.person_ref == person_ref)
        tx.execute(changed.values(**sealed, updated_at=sa.func.now()))


def write_down(
    tx: Connection,
    person_ref: UUID,
    sealed: Mapping[str, bytes],
    *,
    kind: NamingKind,
    area: str,
    by: str,
    reason: str | None = None,
) -> None:
    tx.execute(
        sa.insert(naming).values(person_ref=person_ref, kind=kind, area=area, named_by=by, reason=reason, **sealed)
    )


def namings_of(tx: Connection, person_ref: UUID) -> list[Row[tuple[object, ...]]]:
    """In the order of writing."""
    found = sa.select(naming).where(naming.c.person_ref == person_ref).order_by(naming.c.naming_id)
    return list(tx.execute(found))
