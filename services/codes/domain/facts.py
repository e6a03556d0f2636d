"""The facts that rules read: a dossier as JSON, with every time a date-time with offset and every figure an integer.

`now`; `declaration` (the latest, or null); and the lists `declarations`, `evidence`, `risk_stays`. Each item of a list
has `at`, the moment from which a rule's duration counts, and `evidence`, the identifiers a reason names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.codes.domain.dossier import Declaration, Dossier, Evidence, RiskStay

LISTS = ("declarations", "evidence", "risk_stays")

Facts = dict[str, Any]


def facts_of(dossier: Dossier, now: datetime) -> Facts:
    declarations = sorted(map(_declared, dossier.declarations), key=lambda fact: str(fact["at"]), reverse=True)
    return {
        "now": written(now),
        "declaration": declarations[0] if declarations else None,
        "declarations": declarations,
        "evidence": [_found(evidence) for evidence in dossier.evidence],
        "risk_stays": [_stayed(stay) for stay in dossier.risk_stays],
    }


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _declared(declaration: Declaration) -> Facts:
    return {
        "at": written(declaration.made_at),
        "temperature_tenths": declaration.temperature_tenths,
        "symptoms": list(declaration.symptoms),
        "contact_with_case": declaration.has_contact_with_case,
        "evidence": [str(declaration.declaration_id)],
    }


def _found(evidence: Evidence) -> Facts:
    return {
        "at": written(evidence.observed_at),
        "kind": evidence.kind,
        "facts": dict(evidence.facts),
        "evidence": [str(evidence.evidence_id)],
    }


def _stayed(stay: RiskStay) -> Facts:
    return {
        "at": written(stay.until),
        "area": stay.area,
        "level": stay.level,
        "evidence": [str(stay.told_by), str(stay.risk_evidence_id)],
    }
