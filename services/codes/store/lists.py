"""Status lists: who gets which entry, the revision of each list, and what a list holds now."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from services.codes.domain.errors import StatusListNotFound
from services.codes.domain.people import Entry
from services.codes.domain.permutation import permuted, place_of
from services.codes.status_list import Standings

_OPEN = sa.text("INSERT INTO status_list (list) VALUES (:list) ON CONFLICT DO NOTHING")
_KEY = sa.text("SELECT permutation_key FROM status_list WHERE list = :list")
_RAISE = sa.text("UPDATE status_list SET revision = revision + :by WHERE list = :list RETURNING revision")
_REVISIONS = sa.text("SELECT list, revision FROM status_list ORDER BY list")
_BEAT = sa.text("""
UPDATE heartbeat SET revision = revision + 1
WHERE NOT EXISTS (SELECT FROM outbox WHERE type = 'guanka.codes.v1.StandingsHeartbeat')
RETURNING revision
""")
# One statement sees one snapshot: colours and revision are of the same moment.
_STANDINGS = sa.text("""
SELECT s.revision, e.idx, e.colours, e.person_refs, (SELECT coalesce(max(epoch), 0) FROM list_epoch) AS epoch
FROM status_list AS s, LATERAL (
    SELECT string_agg(int4send(idx), '' ORDER BY idx) AS idx,
           string_agg(set_byte('\\x00', 0, colour + CASE WHEN is_void THEN 4 ELSE 0 END), '' ORDER BY idx) AS colours,
           CASE WHEN :with_persons THEN string_agg(uuid_send(person_ref), '' ORDER BY idx) END AS person_refs
    FROM person WHERE person.list = s.list
) AS e
WHERE s.list = :list
""")


class ListsTable:
    """`Lists` in PostgreSQL."""

    def __init__(self) -> None:
        self._keys: dict[int, bytes] = {}

    def take_entry(self, tx: Connection) -> Entry:
        """The sequence gives a number to one transaction only; one that is rolled back leaves its entry unassigned."""
        number: int = tx.execute(sa.text("SELECT nextval('person_number')")).scalar_one()
        list_number, position = place_of(number)
        return Entry(list_number, permuted(position, self._key(tx, list_number)))

    def _key(self, tx: Connection, list_number: int) -> bytes:
        """Remembered once it is certain to stay; the first person of a list opens it."""
        if list_number not in self._keys:
            key = tx.execute(_KEY, {"list": list_number}).scalar_one_or_none()
            if key is None:
                tx.execute(_OPEN, {"list": list_number})
                return bytes(tx.execute(_KEY, {"list": list_number}).scalar_one())
            self._keys[list_number] = bytes(key)
        return self._keys[list_number]

    def raise_revision(self, tx: Connection, list_number: int, by: int) -> int:
        revision: int = tx.execute(_RAISE, {"list": list_number, "by": by}).scalar_one()
        return revision

    def revisions(self, tx: Connection) -> tuple[tuple[int, int], ...]:
        return tuple((row.list, row.revision) for row in tx.execute(_REVISIONS))

    def beat(self, tx: Connection) -> tuple[int, tuple[tuple[int, int], ...]] | None:
        revision: int | None = tx.execute(_BEAT).scalar_one_or_none()
        return None if revision is None else (revision, self.revisions(tx))

    def standings(self, tx: Connection, list_number: int, *, with_persons: bool) -> Standings:
        """The list as it is now, with its revision. Raises `StatusListNotFound`."""
        row = tx.execute(_STANDINGS, {"list": list_number, "with_persons": with_persons}).one_or_none()
        if row is None:
            raise StatusListNotFound
        return Standings(
            list_number,
            row.revision,
            bytes(row.idx or b""),
            bytes(row.colours or b""),
            bytes(row.person_refs or b""),
            row.epoch,
        )

    def revision_of(self, tx: Connection, list_number: int) -> int:
        """Raises `StatusListNotFound`."""
        found = dict(self.revisions(tx))
        if list_number not in found:
            raise StatusListNotFound
        return found[list_number]
