"""Declarations, evidence, stays and the risk of areas: what dossiers are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB

from city.areas import subtree_of
from services.codes.domain.dossier import STAY_KINDS, Declaration, Dossier, Evidence, RiskStay, Stay
from services.codes.domain.errors import EvidenceConflict
from services.codes.domain.verdicts import RuleError
from services.codes.store.verdict_json import reasons_from
from services.codes.use_cases.ports import Told

FOUND_BY = "event:/ledger"
"""Who reported evidence that came with an event; a later event may end it, a request never touches it."""

_RISK_LEVELS = "risk levels"

_READ = sa.text("""
SELECT asked.person_ref, v.rule_set, v.reasons, v.rule_errors,
  (SELECT jsonb_agg(jsonb_build_array(d.declaration_id, d.made_at, d.temperature_tenths, d.symptoms,
                                      d.has_contact_with_case))
   FROM declaration AS d WHERE d.person_ref = asked.person_ref AND d.made_at >= :since) AS declarations,
  (SELECT jsonb_agg(jsonb_build_array(e.evidence_id, e.kind, e.facts, e.observed_at, e.source))
   FROM evidence AS e WHERE e.person_ref = asked.person_ref AND (e.ended_at IS NULL OR e.succeeded_by IS NOT NULL)
     AND (e.ended_at IS NULL OR NOT EXISTS (SELECT FROM evidence AS next WHERE next.evidence_id = e.succeeded_by))
  ) AS evidence,
  (SELECT jsonb_agg(jsonb_build_array(s.told_by, s.area, s.stayed_to, risk.level, risk.evidence_id))
   FROM stay AS s CROSS JOIN LATERAL (
       SELECT r.level, r.evidence_id FROM area_risk AS r
       WHERE r.area IN (SELECT left(s.area, size) FROM generate_series(2, length(s.area)) AS size)
       ORDER BY length(r.area) DESC LIMIT 1
   ) AS risk
   WHERE s.person_ref = asked.person_ref AND s.stayed_to >= :since) AS risk_stays
FROM unnest(CAST(:person_refs AS uuid[])) AS asked (person_ref)
JOIN person AS p ON p.person_ref = asked.person_ref
LEFT JOIN verdict AS v ON v.verdict_id = p.verdict_id
""")
_DECLARE = sa.text("""
INSERT INTO declaration (declaration_id, person_ref, made_at, temperature_tenths, symptoms, has_contact_with_case,
                         declared_by, recorded_at)
VALUES (:declaration_id, :person_ref, :made_at, :temperature_tenths, :symptoms, :has_contact_with_case, :by, :at)
""")
_STAY = sa.text("""
INSERT INTO stay (told_by, person_ref, area, stayed_from, stayed_to)
VALUES (:told_by, :person_ref, :area, :stayed_from, :stayed_to)
""")
_EVIDENCE_VALUES = """
INSERT INTO evidence (evidence_id, kind, person_ref, area, facts, observed_at, ended_at, outcome, succeeded_by,
                      source, content_digest, reported_by, recorded_at)
SELECT evidence_id, kind, person_ref, area, facts, observed_at, ended_at, outcome, succeeded_by, source,
       content_digest, :by, :at
FROM jsonb_to_recordset(:rows) AS row (evidence_id uuid, kind text, person_ref uuid, area text, facts jsonb,
                                       observed_at timestamptz, ended_at timestamptz, outcome text, succeeded_by uuid,
                                       source text, content_digest bytea)
ORDER BY evidence_id
"""
_REPORT = sa.text(f"{_EVIDENCE_VALUES} ON CONFLICT DO NOTHING RETURNING evidence_id").bindparams(
    sa.bindparam("rows", type_=JSONB)
)
_FIND_OUT = sa.text(f"""{_EVIDENCE_VALUES}
ON CONFLICT (evidence_id) DO UPDATE SET
    observed_at = excluded.observed_at, ended_at = excluded.ended_at, outcome = excluded.outcome,
    succeeded_by = excluded.succeeded_by, recorded_at = excluded.recorded_at
WHERE evidence.reported_by = :by
""").bindparams(sa.bindparam("rows", type_=JSONB))
_DIGESTS = sa.text("SELECT evidence_id, content_digest FROM evidence WHERE evidence_id = ANY(:evidence_ids)")
_GRADE = sa.text("""
INSERT INTO area_risk (area, level, evidence_id, observed_at) VALUES (:area, :level, :evidence_id, :observed_at)
ON CONFLICT (area) DO UPDATE SET
    level = excluded.level, evidence_id = excluded.evidence_id, observed_at = excluded.observed_at
WHERE area_risk.observed_at <= excluded.observed_at
""")
_HOLD_RISKS = {
    True: sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
    False: sa.text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))"),
}


class DossiersTable:
    """`Dossiers` in PostgreSQL."""

    def read(self, tx: Connection, person_refs: Sequence[UUID], since: datetime) -> dict[UUID, tuple[Dossier, Told]]:
        rows = tx.execute(_READ, {"person_refs": list(person_refs), "since": since})
        return {row.person_ref: (_dossier(row), _told(row)) for row in rows}

    def add_declaration(
        self, tx: Connection, person_ref: UUID, declaration: Declaration, by: str, at: datetime
    ) -> None:
        tx.execute(
            _DECLARE,
            {
                "declaration_id": declaration.declaration_id,
                "person_ref": person_ref,
                "made_at": declaration.made_at,
                "temperature_tenths": declaration.temperature_tenths,
                "symptoms": list(declaration.symptoms),
                "has_contact_with_case": declaration.has_contact_with_case,
                "by": by,
                "at": at,
            },
        )
        _add_stays(tx, [(declaration.declaration_id, person_ref, stay) for stay in declaration.stays])

    def add_evidence(self, tx: Connection, evidence: Sequence[Evidence], by: str, at: datetime) -> list[Evidence]:
        given = _without_repeats(evidence)
        rows = [_evidence_row(each) for each in given.values()]
        recorded = set(tx.execute(_REPORT, {"rows": rows, "by": by, "at": at}).scalars())
        _refuse_other_content(tx, [each for each in given.values() if each.evidence_id not in recorded])
        new = [each for each in given.values() if each.evidence_id in recorded]
        stays = [
            (each.evidence_id, each.person_ref, Stay.told_by(each.facts)) for each in new if each.kind in STAY_KINDS
        ]
        _add_stays(tx, [(told_by, person_ref, stay) for told_by, person_ref, stay in stays if person_ref and stay])
        return new

    def keep_findings(self, tx: Connection, findings: Sequence[Evidence], at: datetime) -> None:
        rows = [_evidence_row(finding) for finding in findings]
        tx.execute(_FIND_OUT, {"rows": rows, "by": FOUND_BY, "at": at})

    def grade_areas(self, tx: Connection, risks: Sequence[Evidence]) -> None:
        ordered = sorted(risks, key=lambda risk: (subtree_of(risk.area or ""), risk.observed_at))
        tx.execute(
            _GRADE,
            [
                {
                    "area": subtree_of(risk.area or ""),
                    "level": risk.facts["level"],
                    "evidence_id": risk.evidence_id,
                    "observed_at": risk.observed_at,
                }
                for risk in ordered
            ],
        )

    def hold_risks(self, tx: Connection, *, changing: bool) -> None:
        tx.execute(_HOLD_RISKS[changing], {"name": _RISK_LEVELS})


def _add_stays(tx: Connection, stays: Iterable[tuple[UUID, UUID, Stay]]) -> None:
    rows = [
        {
            "told_by": told_by,
            "person_ref": person_ref,
            "area": subtree_of(stay.area),
            "stayed_from": stay.since,
            "stayed_to": stay.until,
        }
        for told_by, person_ref, stay in stays
    ]
    if rows:
        tx.execute(_STAY, rows)


def _without_repeats(evidence: Sequence[Evidence]) -> dict[UUID, Evidence]:
    given: dict[UUID, Evidence] = {}
    for each in evidence:
        if digest_of(given.setdefault(each.evidence_id, each)) != digest_of(each):
            raise EvidenceConflict([str(each.evidence_id)])
    return given


def _refuse_other_content(tx: Connection, evidence: Sequence[Evidence]) -> None:
    """Raises `EvidenceConflict` when one of them is in the store with other content."""
    if not evidence:
        return
    rows = tx.execute(_DIGESTS, {"evidence_ids": [each.evidence_id for each in evidence]})
    known = {row.evidence_id: bytes(row.content_digest) for row in rows}
    others = [str(each.evidence_id) for each in evidence if known.get(each.evidence_id) != digest_of(each)]
    if others:
        raise EvidenceConflict(others)


def digest_of(evidence: Evidence) -> bytes:
    """Of what the reporter wrote."""
    content = [
        evidence.kind,
        str(evidence.person_ref),
        evidence.area,
        evidence.facts,
        evidence.observed_at.isoformat(),
        evidence.source,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()


def _evidence_row(evidence: Evidence) -> dict[str, Any]:
    return {
        "evidence_id": str(evidence.evidence_id),
        "kind": evidence.kind,
        "person_ref": evidence.person_ref and str(evidence.person_ref),
        "area": evidence.area,
        "facts": dict(evidence.facts),
        "observed_at": evidence.observed_at.isoformat(),
        "ended_at": evidence.ended_at and evidence.ended_at.isoformat(),
        "outcome": evidence.outcome,
        "succeeded_by": evidence.succeeded_by and str(evidence.succeeded_by),
        "source": evidence.source,
        "content_digest": "\\x" + digest_of(evidence).hex(),
    }


def _dossier(row: Any) -> Dossier:
    return Dossier(
        tuple(_declaration(*columns) for columns in row.declarations or ()),
        tuple(_evidence(row.person_ref, *columns) for columns in row.evidence or ()),
        tuple(_risk_stay(*columns) for columns in row.risk_stays or ()),
    )


def _told(row: Any) -> Told:
    errors = tuple(RuleError(each["rule"], each["message"]) for each in row.rule_errors or ())
    return Told(row.rule_set or "", reasons_from(row.reasons or ()), errors)


def _declaration(
    declaration_id: str, made_at: str, temperature_tenths: int | None, symptoms: list[str], has_contact: bool
) -> Declaration:
    moment = datetime.fromisoformat(made_at)
    return Declaration(UUID(declaration_id), moment, temperature_tenths, tuple(symptoms), has_contact)


def _evidence(
    person_ref: UUID, evidence_id: str, kind: str, facts: dict[str, Any], observed_at: str, source: str
) -> Evidence:
    return Evidence(UUID(evidence_id), kind, person_ref, None, facts, datetime.fromisoformat(observed_at), source)


def _risk_stay(told_by: str, area: str, until: str, level: str, risk_evidence_id: str) -> RiskStay:
    return RiskStay(UUID(told_by), area, datetime.fromisoformat(until), level, UUID(risk_evidence_id))
