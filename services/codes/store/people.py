"""People and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB

from chassis.ids import uuid7
from services.codes.domain.colours import Colour
from services.codes.domain.errors import PersonNotFound
from services.codes.domain.people import Code, Entry, Person
from services.codes.store.verdict_json import reasons_from, reasons_to, text_from, text_to
from services.codes.use_cases.ports import Decided

_KNOW = sa.text("""
INSERT INTO person (person_ref) SELECT unnest(CAST(:person_refs AS uuid[])) ON CONFLICT DO NOTHING
""")
_LOCK = sa.text("""
SELECT * FROM person WHERE person_ref = ANY(:person_refs) ORDER BY person_ref FOR UPDATE
""")
_LOCK_DUE = sa.text("""
SELECT * FROM person WHERE review_at <= :now ORDER BY review_at LIMIT :people_max FOR UPDATE SKIP LOCKED
""")
_LOCK_NEXT = sa.text("""
SELECT * FROM person WHERE person_ref > :after ORDER BY person_ref LIMIT :people_max FOR UPDATE
""")
_FIND = sa.text("SELECT * FROM person WHERE person_ref = :person_ref AND list IS NOT NULL")
_AREAS = sa.text("SELECT person_ref, area FROM person WHERE person_ref = ANY(:person_refs)")
_CODE = sa.text("""
SELECT p.*, v.reasons, v.lifts_when FROM person AS p JOIN verdict AS v USING (verdict_id)
WHERE p.person_ref = :person_ref AND p.list IS NOT NULL
""")
_ENROL = sa.text("""
WITH listed AS (
    UPDATE person SET area = :area, list = :list, idx = :idx, enrolled_at = :at WHERE person_ref = :person_ref
)
INSERT INTO identity (person_ref, document_type, country,
                      number_sealed, name_sealed, phone_sealed, birth_date_sealed, address_sealed)
VALUES (:person_ref, :document_type, :country,
        :number_sealed, :name_sealed, :phone_sealed, :birth_date_sealed, :address_sealed)
""")
# The planner cannot know how long a JSON document is: without the list of persons it reads every person there is.
_DECIDE = sa.text("""
WITH decided AS (
    SELECT * FROM jsonb_to_recordset(:rows) AS row (
        person_ref uuid, colour smallint, is_void boolean, revision bigint, since timestamptz,
        review_at timestamptz, verdict_id uuid, rule_set text, reasons jsonb, lifts_when jsonb, rule_errors jsonb)
), remembered AS (
    INSERT INTO verdict (verdict_id, person_ref, revision, decided_at, colour, rule_set, reasons, lifts_when,
                         rule_errors)
    SELECT verdict_id, person_ref, revision, :at, colour, rule_set, reasons, lifts_when, rule_errors
    FROM decided WHERE verdict_id IS NOT NULL
)
UPDATE person AS p SET colour = d.colour, is_void = d.is_void, revision = d.revision, since = d.since,
                       review_at = d.review_at,
                       verdict_id = coalesce(d.verdict_id, p.verdict_id)
FROM decided AS d WHERE p.person_ref = d.person_ref AND p.person_ref = ANY(:person_refs)
""").bindparams(sa.bindparam("rows", type_=JSONB))
_FIND_IN_AREA = sa.text("""
SELECT DISTINCT s.person_ref FROM unnest(CAST(:areas AS text[])) AS risk (area)
JOIN stay AS s ON s.area LIKE risk.area || '%' AND s.stayed_to >= :since
LIMIT :people_max
""")
_REVIEW_IN_AREA = sa.text("""
WITH locked AS (
    SELECT person_ref FROM person WHERE person_ref IN (
        SELECT s.person_ref FROM unnest(CAST(:areas AS text[])) AS risk (area)
        JOIN stay AS s ON s.area LIKE risk.area || '%' AND s.stayed_to >= :since
    ) ORDER BY person_ref FOR UPDATE
)
UPDATE person SET review_at = :now FROM locked WHERE person.person_ref = locked.person_ref
""")


class PeopleTable:
    """`People` in PostgreSQL."""

    def know(self, tx: Connection, person_refs: Sequence[UUID]) -> None:
        tx.execute(_KNOW, {"person_refs": sorted(person_refs)})

    def lock(self, tx: Connection, person_refs: Sequence[UUID]) -> list[Person]:
        return [_person(row) for row in tx.execute(_LOCK, {"person_refs": list(person_refs)})]

    def lock_due(self, tx: Connection, now: datetime, people_max: int) -> list[Person]:
        return [_person(row) for row in tx.execute(_LOCK_DUE, {"now": now, "people_max": people_max})]

    def lock_next(self, tx: Connection, after: UUID, people_max: int) -> list[Person]:
        return [_person(row) for row in tx.execute(_LOCK_NEXT, {"after": after, "people_max": people_max})]

    def find(self, tx: Connection, person_ref: UUID) -> Person:
        row = tx.execute(_FIND, {"person_ref": person_ref}).one_or_none()
        if row is None:
            raise PersonNotFound
        return _person(row)

    def areas_of(self, tx: Connection, person_refs: Sequence[UUID]) -> dict[UUID, str]:
        return {row.person_ref: row.area for row in tx.execute(_AREAS, {"person_refs": list(person_refs)})}

    def code_of(self, tx: Connection, person_ref: UUID) -> tuple[Person, Code]:
        row = tx.execute(_CODE, {"person_ref": person_ref}).one_or_none()
        if row is None:
            raise PersonNotFound
        person = _person(row)
        code = Code(person.colour, reasons_from(row.reasons), row.since, row.review_at, text_from(row.lifts_when))
        return person, code

    def enrol(self, tx: Connection, person: Person, identity: Mapping[str, str | bytes | None], at: datetime) -> None:
        assert person.entry is not None
        place = {"area": person.area, "list": person.entry.list, "idx": person.entry.idx, "at": at}
        tx.execute(_ENROL, {"person_ref": person.person_ref, **place, **identity})

    def decide(self, tx: Connection, decided: Sequence[Decided], at: datetime) -> None:
        rows = [_decided_row(each, at) for each in decided]
        tx.execute(_DECIDE, {"rows": rows, "at": at, "person_refs": [each.person.person_ref for each in decided]})

    def in_area(self, tx: Connection, areas: Sequence[str], since: datetime, people_max: int) -> list[UUID] | None:
        asked = {"areas": list(areas), "since": since, "people_max": people_max + 1}
        found = list(tx.execute(_FIND_IN_AREA, asked).scalars())
        return found if len(found) <= people_max else None

    def review_in_area(self, tx: Connection, areas: Sequence[str], since: datetime, now: datetime) -> None:
        tx.execute(_REVIEW_IN_AREA, {"areas": list(areas), "since": since, "now": now})


def _person(row: Any) -> Person:
    entry = None if row.list is None else Entry(row.list, row.idx)
    return Person(
        row.person_ref, row.area, entry, Colour(row.colour), row.revision, row.since, row.review_at, row.is_void
    )


def _decided_row(decided: Decided, at: datetime) -> dict[str, Any]:
    verdict = decided.verdict
    row: dict[str, Any] = {
        "person_ref": str(decided.person.person_ref),
        "colour": int(verdict.colour),
        "is_void": verdict.is_void,
        "revision": decided.revision,
        "since": decided.since.isoformat(),
        "review_at": verdict.review_at and verdict.review_at.isoformat(),
    }
    if decided.is_new:
        row |= {
            "verdict_id": str(uuid7(at)),
            "rule_set": verdict.rule_set,
            "reasons": reasons_to(verdict.reasons),
            "lifts_when": text_to(verdict.lifts_when),
            "rule_errors": [{"rule": error.rule, "message": error.message} for error in verdict.errors],
        }
    return row
