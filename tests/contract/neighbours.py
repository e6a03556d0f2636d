"""The ledger and codes side by side: their use cases on real databases, and what one tells handed to the other.

A message waits under its key. Messages of one key are handed over in order; of several keys the test says which comes
next.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Database
from chassis.ids import uuid7
from chassis.inbox import handle_messages
from chassis.message import Message, Subscription
from city.documents import Document
from services.codes import messages as codes_messages
from services.codes.domain.dossier import Declaration
from services.codes.domain.people import Identity
from services.codes.main import office_of
from services.codes.settings import CodesSettings
from services.codes.use_cases.declarations import declare
from services.codes.use_cases.enrolment import enrol_person
from services.codes.use_cases.ports import Office
from services.codes.use_cases.reviews import review_due
from services.ledger import messages as ledger_messages
from services.ledger.api.parts import Parts
from services.ledger.deadlines import deadline_check
from services.ledger.domain.entries import Entry
from services.ledger.main import compose
from services.ledger.settings import LedgerSettings
from services.ledger.store.tables import entry_of
from services.ledger.use_cases.book import Answer
from services.ledger.use_cases.keeping import Actor
from services.ledger.use_cases.moving import MoveOrder, move_by_order
from services.ledger.use_cases.opening import OpeningOrder, open_by_order
from tests.integration.codes.city import ISSUER, ROOT, Issuer, write_keys
from wire.checkpoints.v1 import events_pb2 as checkpoints

OFFICIAL = Actor("official", frozenset({"authority", "operator", "community"}))
_TAKE_OUTBOX = sa.text("DELETE FROM outbox RETURNING seq, id, type, aggregateid, payload, headers")


class Clock:
    """Stands still until the test moves it, or something was written: identifiers keep the order by milliseconds."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Neighbours:
    ledger: Parts
    office: Office
    codes: Database
    clock: Clock
    area: str
    waiting: dict[tuple[str, str], deque[Message]] = field(default_factory=dict)

    # -- what people and time do -------------------------------------------------------------------------------------

    def open(self, ledger: str, person: UUID, *, opened_at: datetime | None = None, **facts: Any) -> Answer:
        order = OpeningOrder(ledger, person, self.area, facts, opened_at=opened_at)
        with self.ledger.database.transaction() as tx:
            answer, _ = open_by_order(self.ledger.open_book(tx), self.ledger.city, order, OFFICIAL, self.clock())
        self._collect()
        return answer

    def move(self, entry: UUID, move: str, **facts: Any) -> Answer:
        with self.ledger.database.transaction() as tx:
            book = self.ledger.open_book(tx)
            found = book.entry(entry)
            assert found is not None
            order = MoveOrder(entry, move, facts, found.version)
            answer = move_by_order(book, self.ledger.city, order, OFFICIAL, self.clock())
        self._collect()
        return answer

    def trace(self, case: UUID, *met: tuple[UUID, int, datetime]) -> None:
        """Checkpoints answers the trace that the case asked for: whom it met, how closely (a `Grade`), and when."""
        [(trace_id, person)] = self.ledger_rows(
            "SELECT trace_id, person_ref FROM trace WHERE entry_id = :entry", entry=case
        )
        told = checkpoints.ContactsTraced(
            trace_id=str(trace_id), entry_id=str(case), person_ref=str(person), part=1, parts=1, tracing_rule="test@1"
        )
        for contact, grade, met_at in met:
            meeting = told.contacts.add(
                person_ref=str(contact),
                grade=grade,  # type: ignore[arg-type]
                checkpoint_id="c",
                kind="mall",
                area=self.area,
                apart_s=1,
                case_scan_id=str(uuid7()),
                contact_scan_id=str(uuid7()),
            )
            meeting.met_at.FromDatetime(met_at)
        message = Message(
            id=uuid7(),
            source="/checkpoints",
            type="guanka.checkpoints.v1.ContactsTraced",
            subject=f"trace/{uuid7()}",
            revision=1,
            time=self.clock().isoformat(),
            district="",
            key=str(trace_id),
            payload=told.SerializeToString(),
            traceparent="",
        )
        self._hand("ledger", message)

    def enrol(self) -> UUID:
        document = Document("passport", "CN", secrets.token_hex(8).upper())
        with self.codes.transaction() as tx:
            person, _ = enrol_person(
                tx, self.office, document, Identity("a", None, None, None), self.area, self.clock()
            )
        self._collect()
        return person

    def declare(self, person: UUID, *symptoms: str, has_contact: bool = False) -> None:
        declaration = Declaration(uuid7(), self.clock(), 365, symptoms, has_contact)
        with self.codes.transaction() as tx:
            declare(tx, self.office, person, declaration, "test", self.clock())
        self._collect()

    def wait(self, time: timedelta) -> None:
        """Time passes, and the timers of both run."""
        self.clock.now += time
        with self.codes.transaction() as tx:
            while review_due(tx, self.office, self.clock(), people_max=500) == 500:
                pass
        check = deadline_check(self.ledger.database, self.ledger.city, self.ledger.open_book, self.clock)
        check()
        self._collect()

    # -- the event log -----------------------------------------------------------------------------------------------

    def waiting_keys(self) -> list[tuple[str, str]]:
        """(service that takes it, key) of what waits, in the order in which it came."""
        return list(self.waiting)

    def deliver(self, key: tuple[str, str]) -> Message:
        message = self.waiting[key].popleft()
        if not self.waiting[key]:
            del self.waiting[key]
        self._hand(key[0], message)
        return message

    def settle(self, choose: Callable[[list[tuple[str, str]]], tuple[str, str]] = lambda keys: keys[0]) -> None:
        """Hand over everything, and what follows from it."""
        while keys := self.waiting_keys():
            self.deliver(choose(keys))

    def _hand(self, to: str, message: Message) -> None:
        subscription = next(each for each in self._subscriptions(to) if message.type in each.handlers)
        database = self.ledger.database if to == "ledger" else self.codes
        with database.transaction() as tx:
            handle_messages(tx, subscription, [message])
        self._collect()

    def _subscriptions(self, of: str) -> list[Subscription]:
        if of == "ledger":
            return ledger_messages.subscriptions(self.ledger.city, self.ledger.open_book, self.clock)
        return codes_messages.subscriptions(self.office, self.clock)

    def _collect(self) -> None:
        """Put what was written to the outboxes where it waits for the other."""
        self.clock.now += timedelta(milliseconds=1)
        for source, to, database in (("/ledger", "codes", self.ledger.database), ("/codes", "ledger", self.codes)):
            wanted = {kind for each in self._subscriptions(to) for kind in each.handlers}
            with database.transaction() as tx:
                rows = sorted(tx.execute(_TAKE_OUTBOX), key=lambda row: row.seq)
            for row in rows:
                if row.type in wanted:
                    message = Message(
                        id=row.id,
                        source=source,
                        type=row.type,
                        subject=row.headers["ce_subject"],
                        revision=int(row.headers["ce_revision"]),
                        time=row.headers["ce_time"],
                        district="",
                        key=row.aggregateid,
                        payload=bytes(row.payload),
                        traceparent="",
                    )
                    self.waiting.setdefault((to, row.aggregateid), deque()).append(message)

    # -- what is so --------------------------------------------------------------------------------------------------

    def entries(self, *persons: UUID) -> list[Entry]:
        """Every entry of the people, in the order of opening."""
        found = self.ledger_rows(
            "SELECT * FROM entry WHERE person_ref = ANY(:persons) ORDER BY entry_id", persons=list(persons)
        )
        return [entry_of(row) for row in found]

    def open_entry(self, person: UUID) -> Entry:
        """The one that is open."""
        [entry] = [each for each in self.entries(person) if each.is_open]
        return entry

    def colour(self, person: UUID) -> str:
        [row] = self.codes_rows("SELECT colour FROM person WHERE person_ref = :person", person=person)
        return ("green", "red", "yellow", "lapsed")[row.colour]

    def ledger_rows(self, statement: str, **given: Any) -> list[Any]:
        with self.ledger.database.transaction() as tx:
            return list(tx.execute(sa.text(statement), given))

    def codes_rows(self, statement: str, **given: Any) -> list[Any]:
        with self.codes.transaction() as tx:
            return list(tx.execute(sa.text(statement), given))

    def close(self) -> None:
        self.ledger.database.close()
        self.codes.close()


def make_neighbours(folder: Path, migrated: Callable[[str], str]) -> Neighbours:
    issuer, clock = Issuer(), Clock()
    write_keys(folder, issuer)
    areas = ROOT / "data" / "guangzhou" / "areas.csv"
    common: dict[str, Any] = {
        "event_log_url": "local:postgresql://nowhere/none",
        "http_port": 0,
        "auth_issuer": ISSUER,
        "auth_jwks": str(folder / "issuer.json"),
        "area_file": areas,
        "city_key_file": folder / "city.key",
        "data_keys_file": folder / "data.json",
    }
    codes = CodesSettings(
        database_url=migrated("codes"),
        signing_keys_file=folder / "signing.json",
        status_list_uri="https://guanka.example/s",
        **common,
    )
    ledger = compose(LedgerSettings(database_url=migrated("ledger"), **common))
    community = min(code for code in ledger.city.areas.nodes if len(code) == 12)
    return Neighbours(replace(ledger, clock=clock), office_of(codes), Database(codes.database_url), clock, community)
