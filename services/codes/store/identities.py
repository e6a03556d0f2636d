"""Who people are, sealed; read only for a guard's comparison."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from services.codes.domain.people import Entry
from services.codes.use_cases.ports import SealedIdentity

_SEALED = sa.text("""
SELECT p.person_ref, p.list, p.idx, i.name_sealed, i.number_sealed
FROM person AS p JOIN identity AS i USING (person_ref) WHERE p.person_ref = ANY(:person_refs)
UNION
SELECT p.person_ref, p.list, p.idx, i.name_sealed, i.number_sealed
FROM unnest(CAST(:lists AS integer[]), CAST(:idx AS integer[])) AS e (list, idx)
JOIN person AS p ON p.list = e.list AND p.idx = e.idx JOIN identity AS i USING (person_ref)
""")


class IdentitiesTable:
    """`Identities` in PostgreSQL."""

    def sealed_of(self, tx: Connection, wanted: Sequence[UUID | Entry]) -> list[SealedIdentity]:
        entries = [each for each in wanted if isinstance(each, Entry)]
        rows = tx.execute(
            _SEALED,
            {
                "person_refs": [each for each in wanted if isinstance(each, UUID)],
                "lists": [entry.list for entry in entries],
                "idx": [entry.idx for entry in entries],
            },
        )
        return [
            SealedIdentity(row.person_ref, Entry(row.list, row.idx), bytes(row.name_sealed), bytes(row.number_sealed))
            for row in rows
        ]
