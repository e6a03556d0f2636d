"""Evidence: what others know about a person or an area. One request or one batch is one change, however large."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from city.areas import subtree_of
from services.codes.domain.dossier import AREA_RISK, DOSSIER_REACH, LEDGER_ALONE, STAY_KINDS, Evidence
from services.codes.domain.errors import EvidenceKindRefused
from services.codes.use_cases.changes import settle
from services.codes.use_cases.ports import Office

PEOPLE_AT_ONCE_MAX = 1_000
"""Whom a new risk level touches beyond this number, the review timer takes up at once, in batches."""


def take_evidence(tx: Connection, office: Office, evidence: Sequence[Evidence], by: str, now: datetime) -> int:
    """How many were new. Raises `EvidenceConflict`, `EvidenceKindRefused`."""
    if any(each.kind in LEDGER_ALONE for each in evidence):
        raise EvidenceKindRefused
    has_risks = any(each.kind == AREA_RISK for each in evidence)
    if has_risks or any(each.kind in STAY_KINDS for each in evidence):
        office.dossiers.hold_risks(tx, changing=has_risks)
    new = office.dossiers.add_evidence(tx, evidence, by, now)
    touched = {each.person_ref for each in new if each.person_ref is not None}
    risks = [each for each in new if each.kind == AREA_RISK and each.area is not None]
    if risks:
        touched |= _touched_by(tx, office, risks, now)
    _evaluate(tx, office, touched, now)
    return len(new)


def take_findings(tx: Connection, office: Office, findings: Sequence[Evidence], now: datetime) -> None:
    """What the ledger found, and what of it has ended."""
    last = {finding.evidence_id: finding for finding in findings}
    office.dossiers.keep_findings(tx, list(last.values()), now)
    _evaluate(tx, office, {finding.person_ref for finding in findings if finding.person_ref is not None}, now)


def _touched_by(tx: Connection, office: Office, risks: Sequence[Evidence], now: datetime) -> set[UUID]:
    """Who must be evaluated now for new risk levels; more than `PEOPLE_AT_ONCE_MAX` are made due instead."""
    office.dossiers.grade_areas(tx, risks)
    areas, since = [subtree_of(risk.area) for risk in risks if risk.area is not None], now - DOSSIER_REACH
    people = office.people.in_area(tx, areas, since, PEOPLE_AT_ONCE_MAX)
    if people is None:
        office.people.review_in_area(tx, areas, since, now)
        return set()
    return set(people)


def _evaluate(tx: Connection, office: Office, person_refs: set[UUID], now: datetime) -> None:
    """People who are not enrolled are judged too, so that their colour is there when they are."""
    if not person_refs:
        return
    ordered = sorted(person_refs)
    office.people.know(tx, ordered)
    settle(tx, office, office.people.lock(tx, ordered), now)
