"""Open an entry by order of an official."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.ids import uuid7
from services.ledger.domain.checks import OPENED_AT, check_order
from services.ledger.domain.city import City
from services.ledger.domain.definition import Definition
from services.ledger.domain.entries import Entry, open_entry
from services.ledger.domain.errors import EntryAlreadyOpen, EntryIdTaken, InvalidRequest, PersonDead, RoleRefused
from services.ledger.domain.facts import CLOCK_SKEW, check_facts
from services.ledger.use_cases.book import Answer, Book
from services.ledger.use_cases.handing_over import holds, is_over, open_entries
from services.ledger.use_cases.keeping import Actor

OPENED_DAYS_BACK_MAX = 60


@dataclass(frozen=True, slots=True)
class OpeningOrder:
    """`entry_id` makes the order repeatable; `opened_at` is for what was written on paper first."""

    ledger: str
    person_ref: UUID
    area: str
    facts: Mapping[str, object]
    entry_id: UUID | None = None
    opened_at: datetime | None = None

    def digest(self) -> bytes:
        """What a repeat must have in common with the first order."""
        body = [self.ledger, self.person_ref, self.area, self.facts, self.opened_at]
        return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).digest()


def open_by_order(book: Book, city: City, order: OpeningOrder, by: Actor, now: datetime) -> tuple[Answer, bool]:
    """The answer, and whether the entry is new. The area has been found to lie in the bearer's subtree.

    Raises LedgerNotFound, RoleRefused, InvalidRequest, EntryAlreadyOpen, EntryIdTaken, PersonDead.
    """
    definition = city.ledgers.named(order.ledger, now)
    if definition.opening.roles.isdisjoint(by.roles):
        raise RoleRefused(definition.opening.roles)
    if order.entry_id is not None and (known := _repeated(book, order)) is not None:
        return known, False
    entry = _entry_of(city, definition, order, now)
    book.lock_persons([order.person_ref])
    if book.persons_at([order.person_ref], city.ledgers.barring_stages(now)):
        raise PersonDead
    for held in book.open_entries_of([order.person_ref]).get(order.person_ref, []):
        if held.ledger == order.ledger or holds(city, held, definition, now):
            if (known := _repeated(book, order)) is not None:
                return known, False
            raise EntryAlreadyOpen(held.entry_id, held.ledger)
    if open_entries(book, city, [entry], by, now, digests={entry.entry_id: order.digest()}):
        return answer_of(entry), True
    if (known := _repeated(book, order)) is not None:
        return known, False
    raise EntryIdTaken


def _entry_of(city: City, definition: Definition, order: OpeningOrder, now: datetime) -> Entry:
    _check_opened_at(order.opened_at, now)
    facts = check_facts(definition.opening.facts, order.facts, now)
    opened_at = order.opened_at or now
    dated = {**facts, OPENED_AT: (order.opened_at or now + CLOCK_SKEW).isoformat()}
    check_order(definition.checks, dated, dated)
    entry = open_entry(
        definition,
        entry_id=order.entry_id or uuid7(now),
        person_ref=order.person_ref,
        area=order.area,
        owner=city.owner(definition, order.area),
        facts=facts,
        opened_at=opened_at,
    )
    if is_over(city, entry, now):
        assert definition.measure is not None
        since, days = definition.measure.since, definition.measure.lasts.days
        field = f"facts.{since}" if since in facts else OPENED_AT
        raise InvalidRequest((field, f"the {days} days of this ledger are over already; there is nothing to open"))
    return entry


def answer_of(entry: Entry) -> Answer:
    return Answer(entry.entry_id, entry.version, entry.stage, entry.owner, entry.next_deadline, entry.succeeded_by)


def _repeated(book: Book, order: OpeningOrder) -> Answer | None:
    """The first answer to the same order. Raises `EntryIdTaken` when the identifier stands for another."""
    known = book.opening_of(order.entry_id) if order.entry_id else None
    if known is None:
        return None
    answer, digest = known
    if digest != order.digest():
        raise EntryIdTaken
    return answer


def _check_opened_at(opened_at: datetime | None, now: datetime) -> None:
    if opened_at is None:
        return
    if opened_at > now + CLOCK_SKEW:
        raise InvalidRequest(("opened_at", "this lies in the future"))
    if opened_at < now - timedelta(days=OPENED_DAYS_BACK_MAX):
        raise InvalidRequest(("opened_at", f"this lies more than {OPENED_DAYS_BACK_MAX} days back"))
