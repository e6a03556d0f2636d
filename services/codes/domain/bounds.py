"""What a declaration and evidence may say beyond their form: times in bounds, and the facts that a kind needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from city.areas import OUTSIDE_OR_NODE, AreaTree
from services.codes.domain.dossier import AREA_RISK, RISK_LEVELS, STAY_KINDS, Evidence, Stay

AHEAD_MAX = timedelta(minutes=5)
DECLARED_BEFORE_MAX = timedelta(days=7)
REPORTED_BEFORE_MAX = timedelta(days=366)

Misplaced = tuple[str, str]
"""(field, what is allowed)."""


def misplaced_in_declaration(
    made_at: datetime, stays: Sequence[Stay], areas: AreaTree, now: datetime
) -> list[Misplaced]:
    found: list[Misplaced] = []
    if not now - DECLARED_BEFORE_MAX <= made_at <= now + AHEAD_MAX:
        found.append(("made_at", "lies between 7 days ago and 5 minutes ahead"))
    for number, stay in enumerate(stays):
        found += misplaced_in_stay(stay, areas, now, f"stays.{number}.")
    return found


def misplaced_in_stay(stay: Stay, areas: AreaTree, now: datetime, prefix: str) -> list[Misplaced]:
    found: list[Misplaced] = []
    if not areas.has_or_lies_outside(stay.area):
        found.append((f"{prefix}area", OUTSIDE_OR_NODE))
    if stay.since > stay.until:
        found.append((f"{prefix}from", "does not lie after `to`"))
    if stay.since < now - REPORTED_BEFORE_MAX:
        found.append((f"{prefix}from", "lies within the last 366 days"))
    if stay.until > now + AHEAD_MAX:
        found.append((f"{prefix}to", "does not lie in the future"))
    return found


def misplaced_in_evidence(evidence: Evidence, areas: AreaTree, now: datetime, prefix: str) -> list[Misplaced]:
    found: list[Misplaced] = []
    if not now - REPORTED_BEFORE_MAX <= evidence.observed_at <= now + AHEAD_MAX:
        found.append((f"{prefix}observed_at", "lies within the last 366 days and not in the future"))
    if evidence.area is not None and not areas.has_or_lies_outside(evidence.area):
        found.append((f"{prefix}area", OUTSIDE_OR_NODE))
    if evidence.kind == AREA_RISK:
        if evidence.area is None:
            found.append((f"{prefix}area", "is what evidence of this kind is about"))
        if evidence.facts.get("level") not in RISK_LEVELS:
            found.append((f"{prefix}facts.level", f"is one of {', '.join(RISK_LEVELS)}"))
    if evidence.kind in STAY_KINDS and evidence.person_ref is not None:
        stay = Stay.told_by(evidence.facts)
        if stay is None:
            return [*found, (f"{prefix}facts", "hold area, from and to, as a declaration's stays do")]
        found += misplaced_in_stay(stay, areas, now, f"{prefix}facts.")
    return found
