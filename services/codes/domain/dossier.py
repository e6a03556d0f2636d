"""All that is known about one person and bears on the colour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.date_times import read_date_time

DOSSIER_REACH = timedelta(days=28)
"""How far back declarations and stays are looked at; no rule looks further."""

AREA_CODE = re.compile(r"[0-9]{2,18}")
"""A code of the area tree, or of another city's."""

AREA_RISK, RISK_LEVELS = "area_risk", ("high", "medium", "low")
"""Evidence of this kind grades an area: facts {"level": one of the levels}; low is no risk."""

DEATH = "death"
"""Evidence of this kind voids the person's passes for as long as it lasts; no rule of colour is asked."""

LEDGER_ALONE = frozenset({DEATH})
"""Kinds that only the ledger's events give: whoever could send one over HTTP could void a pass."""

STAY_KINDS = ("stay", "travel")
"""Evidence of these kinds tells of a stay: facts {"area", "from", "to"}."""


@dataclass(frozen=True, slots=True)
class Stay:
    area: str
    since: datetime
    until: datetime

    @classmethod
    def told_by(cls, facts: Mapping[str, Any]) -> Stay | None:
        """The stay that evidence's facts tell of; None where they do not hold one whole."""
        area, since, until = (facts.get(name) for name in ("area", "from", "to"))
        if not isinstance(area, str) or not AREA_CODE.fullmatch(area):
            return None
        try:
            times = read_date_time(since), read_date_time(until)
        except ValueError:
            return None
        return cls(area, *times)


@dataclass(frozen=True, slots=True)
class Declaration:
    declaration_id: UUID
    made_at: datetime
    temperature_tenths: int | None
    symptoms: tuple[str, ...]
    has_contact_with_case: bool
    stays: tuple[Stay, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """`person_ref` is None for evidence about an area; `area` is None for evidence about a person.

    Evidence that has ended counts until what `succeeded_by` names is known: the ledger hands a person from one entry to
    another, and the two pieces of evidence may be heard in any order.
    """

    evidence_id: UUID
    kind: str
    person_ref: UUID | None
    area: str | None
    facts: Mapping[str, Any]
    observed_at: datetime
    source: str
    ended_at: datetime | None = None
    outcome: str = ""
    succeeded_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class RiskStay:
    """A stay in an area that has a risk level now; `told_by` is the declaration or the evidence that told of it."""

    told_by: UUID
    area: str
    until: datetime
    level: str
    risk_evidence_id: UUID


@dataclass(frozen=True, slots=True)
class Dossier:
    """Evidence that has ended is left out, unless what succeeds it is not known yet."""

    declarations: tuple[Declaration, ...] = ()
    evidence: tuple[Evidence, ...] = field(default=())
    risk_stays: tuple[RiskStay, ...] = ()
