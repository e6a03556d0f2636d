"""What the endpoints are given by the composition root, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from chassis.auth import Bearer
from chassis.clock import Clock
from chassis.database import Database
from services.ledger.domain.city import City
from services.ledger.domain.contacts import pseudonym_of
from services.ledger.domain.entries import Entry
from services.ledger.sealing import Sealer
from services.ledger.use_cases.book import Answer, Book
from services.ledger.use_cases.keeping import Actor

OFFICIALS = ("authority", "operator", "community")
PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Parts:
    database: Database
    city: City
    open_book: Callable[[Connection], Book]
    city_key: bytes
    sealer: Sealer
    clock: Clock


def actor(bearer: Bearer, parts: Parts) -> Actor:
    return Actor(bearer.subject, bearer.roles, pseudonym_of(parts.city_key, bearer.subject))


def answer_shown(answer: Answer) -> dict[str, Any]:
    return {
        "entry_id": answer.entry_id,
        "version": answer.version,
        "stage": answer.stage,
        "owner": answer.owner,
        "next_deadline": answer.next_deadline,
        "succeeded_by": answer.succeeded_by,
    }


def entry_shown(entry: Entry, traces: Mapping[UUID, dict[str, Any]]) -> dict[str, Any]:
    """`trace` where the entry asked who met the person: its id, its state, and how many wait where it is held."""
    return {
        "entry_id": entry.entry_id,
        "ledger": entry.ledger,
        "definition": entry.definition,
        "person_ref": entry.person_ref,
        "area": entry.area,
        "version": entry.version,
        "stage": entry.stage,
        "owner": entry.owner,
        "next_deadline": entry.next_deadline,
        "opened_at": entry.opened_at,
        "closed_at": entry.closed_at,
        "outcome": entry.outcome,
        "facts": entry.facts,
        "succeeded_by": entry.succeeded_by,
        "caused_by": {"entry_id": entry.cause.entry_id, "event_id": entry.cause.event_id},
        "trace": traces.get(entry.entry_id),
    }
