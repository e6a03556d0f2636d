"""Deadlines: a timer that lets none pass in silence; several workers may look at once, each alarm is raised once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from chassis.clock import Clock
from chassis.database import Database
from services.ledger.domain.city import City
from services.ledger.use_cases.alarms import escalate_overdue
from services.ledger.use_cases.amending import FIRST, follow_amendments
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.keeping import Actor
from services.ledger.use_cases.letting_go import observe_for_the_rest
from services.ledger.use_cases.tasks import escalate_overdue_tasks

TIMER = Actor("timer:deadlines")
AMENDMENTS = Actor("timer:amendments")
_ENTRIES_AT_ONCE = 200


def deadline_check(
    database: Database, city: City, open_book: Callable[[Connection], Book], clock: Clock
) -> Callable[[], int]:
    """An action that escalates every deadline that has passed by now, and says how many.

    Contacts whose measure ends while another counts are handed on first.
    """

    def check() -> int:
        now, escalated = clock(), 0
        with database.transaction() as tx:
            observe_for_the_rest(open_book(tx), city, TIMER, now)
        while (some := _escalate_some(database, city, open_book, now)) > 0:
            escalated += some
        return escalated

    return check


def amendment_check(
    database: Database, city: City, open_book: Callable[[Connection], Book], clock: Clock
) -> Callable[[], None]:
    """An action that brings every entry to what amendments of its definition say."""

    def check() -> None:
        after: UUID | None = FIRST
        while after is not None:
            with database.transaction() as tx:
                after = follow_amendments(open_book(tx), city, after, AMENDMENTS, clock())

    return check


def _escalate_some(database: Database, city: City, open_book: Callable[[Connection], Book], now: datetime) -> int:
    with database.transaction() as tx:
        book = open_book(tx)
        entries = escalate_overdue(book, city, TIMER, now, _ENTRIES_AT_ONCE)
        return entries + escalate_overdue_tasks(book, city, TIMER, now, _ENTRIES_AT_ONCE)
