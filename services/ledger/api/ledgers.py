"""GET /v1/ledgers: the definitions in force, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends

from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.ledger.api.forms import Shown
from services.ledger.api.parts import OFFICIALS, Parts
from services.ledger.domain.definition import Definition, Move, Stage
from services.ledger.domain.facts import FactRule

Reader = Annotated[Bearer, Depends(needs(*OFFICIALS, "approver", "auditor", "employer"))]


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(route_class=DoneAgain, tags=["ledgers"])

    @router.get("/v1/ledgers")
    def read_ledgers(_bearer: Reader) -> Shown:
        """The ledgers with their stages, moves, deadlines, and who may act."""
        return {"ledgers": [_definition(each) for each in parts.city.ledgers.current(parts.clock())]}

    return router


def _definition(of: Definition) -> Shown:
    return {
        "id": of.ledger,
        "definition": of.name,
        "version": of.version,
        "valid_from": of.valid_from,
        "title": {"zh": of.title.zh, "en": of.title.en},
        "legal_basis": {"zh": of.legal_basis.zh, "en": of.legal_basis.en},
        "owner": of.owner_level,
        "opening": {"stage": of.opening.stage, "roles": sorted(of.opening.roles), "facts": _facts(of.opening.facts)},
        "opens_on": of.opens_on,
        "trace_look_back_days": of.trace.look_back.days if of.trace else None,
        "measure": {"since": of.measure.since, "days": of.measure.lasts.days} if of.measure else None,
        "amends": of.amends,
        "checks": [
            {"fact": each.fact, "not_before": each.not_before, "text": {"zh": each.text.zh, "en": each.text.en}}
            for each in of.checks
        ],
        "stages": {name: _stage(stage) for name, stage in of.stages.items()},
    }


def _stage(of: Stage) -> Shown:
    return {
        "title": {"zh": of.title.zh, "en": of.title.en},
        "final": of.is_final,
        "deadline_hours": of.deadline.total_seconds() / 3600 if of.deadline else None,
        "deadline_from": list(of.deadline_from),
        "deadline_at": of.deadline_at,
        "evidence": of.evidence,
        "outcome": of.outcome,
        "moves": {name: _move(move) for name, move in of.moves.items()},
        "corrections": {
            name: {"roles": sorted(each.roles), "facts": _facts(each.facts)} for name, each in of.corrections.items()
        },
    }


def _move(of: Move) -> Shown:
    return {
        "to": of.to,
        "roles": sorted(of.roles),
        "upon": sorted(of.upon),
        "facts": _facts(of.facts),
        "restarts": of.restarts,
        "opens": {"ledger": of.opens.ledger, "stage": of.opens.stage, "facts": of.opens.facts} if of.opens else None,
        "only_in": sorted(of.only_in),
    }


def _facts(rules: Mapping[str, FactRule]) -> Shown:
    return {
        name: {
            "type": rule.type,
            "required": rule.is_required,
            "past_days_max": rule.past_days_max,
            "choices": list(rule.choices),
        }
        for name, rule in rules.items()
    }
