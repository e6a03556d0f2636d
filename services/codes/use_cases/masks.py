"""A guard's comparison: who asks is logged with every person that was shown, in the transaction that reads."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from services.codes.domain.masks import Mask, document_tail, masked_name
from services.codes.domain.people import Entry
from services.codes.use_cases.ports import Identities, Seal


def masks_of(
    tx: Connection, identities: Identities, sealer: Seal, wanted: Sequence[UUID | Entry]
) -> list[tuple[UUID, Mask] | None]:
    """In the order asked: the person and the mask, None for whoever is not enrolled."""
    found = identities.sealed_of(tx, wanted)
    masks: dict[UUID | Entry, tuple[UUID, Mask]] = {}
    for sealed in found:
        name = sealer.open(sealed.name, sealed.person_ref, "name")
        number = sealer.open(sealed.number, sealed.person_ref, "number")
        known = sealed.person_ref, Mask(masked_name(name), document_tail(number))
        masks[sealed.person_ref] = masks[sealed.entry] = known
    return [masks.get(each) for each in wanted]
