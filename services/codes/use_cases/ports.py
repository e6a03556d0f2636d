"""What the use cases ask of the world; `store`, `sealing` and `messages` answer it, and meet them only in main.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection

from services.codes.domain.dossier import Declaration, Dossier, Evidence
from services.codes.domain.events import DomainEvent
from services.codes.domain.passes import PassKind
from services.codes.domain.people import Code, Entry, Person
from services.codes.domain.rules import RuleSet
from services.codes.domain.verdicts import Reason, RuleError, Verdict


@dataclass(frozen=True, slots=True)
class Told:
    """What the last verdict said; `rule_set` is empty where there was none."""

    rule_set: str
    reasons: tuple[Reason, ...]
    errors: tuple[RuleError, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A person with a verdict. `revision` is the person's after it; `is_new`: the verdict says something new."""

    person: Person
    verdict: Verdict
    revision: int
    since: datetime
    is_new: bool
    is_colour_new: bool


class People(Protocol):
    def know(self, tx: Connection, person_refs: Sequence[UUID]) -> None:
        """Make sure that there is a row to lock for each."""

    def lock(self, tx: Connection, person_refs: Sequence[UUID]) -> list[Person]:
        """Those that are known, locked in ascending order."""

    def lock_due(self, tx: Connection, now: datetime, people_max: int) -> list[Person]:
        """People whose review is due, locked; who is locked by another is left to that one."""

    def lock_next(self, tx: Connection, after: UUID, people_max: int) -> list[Person]:
        """The next people in ascending order, locked: to walk through all of them."""

    def find(self, tx: Connection, person_ref: UUID) -> Person:
        """Raises `PersonNotFound` also for a person who is known by evidence only."""

    def areas_of(self, tx: Connection, person_refs: Sequence[UUID]) -> dict[UUID, str]:
        """The residences of those who are known."""

    def code_of(self, tx: Connection, person_ref: UUID) -> tuple[Person, Code]:
        """Raises `PersonNotFound`."""

    def enrol(self, tx: Connection, person: Person, identity: Mapping[str, str | bytes | None], at: datetime) -> None:
        """Give the person an entry and an area; `identity` holds the columns of that name, sealed."""

    def decide(self, tx: Connection, decided: Sequence[Decided], at: datetime) -> None:
        """Write the verdicts that say something new, and the people."""

    def review_in_area(self, tx: Connection, areas: Sequence[str], since: datetime, now: datetime) -> None:
        """Make the review of everybody due who stayed in one of the areas after `since`."""

    def in_area(self, tx: Connection, areas: Sequence[str], since: datetime, people_max: int) -> list[UUID] | None:
        """Who stayed in one of the areas after `since`; None when they are more than `people_max`."""


class Dossiers(Protocol):
    def read(
        self, tx: Connection, person_refs: Sequence[UUID], since: datetime
    ) -> dict[UUID, tuple[Dossier, Told]]: ...

    def add_declaration(
        self, tx: Connection, person_ref: UUID, declaration: Declaration, by: str, at: datetime
    ) -> None: ...

    def add_evidence(self, tx: Connection, evidence: Sequence[Evidence], by: str, at: datetime) -> list[Evidence]:
        """Those that were not there before. Raises `EvidenceConflict`."""

    def keep_findings(self, tx: Connection, findings: Sequence[Evidence], at: datetime) -> None:
        """Evidence that another service tells of, and may end: the last word counts."""

    def grade_areas(self, tx: Connection, risks: Sequence[Evidence]) -> None:
        """Keep the newest risk level of each area."""

    def hold_risks(self, tx: Connection, *, changing: bool) -> None:
        """Until the transaction ends, risk levels change only while nobody adds a stay, and the other way round."""


class Lists(Protocol):
    def take_entry(self, tx: Connection) -> Entry:
        """A free entry of the open list."""

    def raise_revision(self, tx: Connection, list_number: int, by: int) -> int:
        """Lock the list until the transaction ends, and raise its revision; the new one."""

    def revisions(self, tx: Connection) -> tuple[tuple[int, int], ...]:
        """(list, revision) of every list."""

    def beat(self, tx: Connection) -> tuple[int, tuple[tuple[int, int], ...]] | None:
        """The heartbeat's next revision and each list's; None while the last heartbeat is still to be sent."""


class Press(Protocol):
    def mint(self, kind: PassKind, entry: Entry, now: datetime) -> tuple[str, datetime]:
        """The pass and the moment it ends."""


class PublicKeys(Protocol):
    def jwks(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class SignedList:
    token: str
    revision: int
    signed_at: datetime


class Published(Protocol):
    def signed(self, list_number: int, now: datetime) -> SignedList:
        """Raises `StatusListNotFound`."""

    def columns(self, list_number: int, *, with_persons: bool) -> bytes:
        """JSON of the list as it is now. Raises `StatusListNotFound`."""


class Seal(Protocol):
    def seal(self, text: str, person_ref: UUID, column: str) -> bytes: ...

    def open(self, sealed: bytes, person_ref: UUID, column: str) -> str: ...


@dataclass(frozen=True, slots=True)
class SealedIdentity:
    """What a guard's comparison needs of an identity, sealed."""

    person_ref: UUID
    entry: Entry
    name: bytes
    number: bytes


class Identities(Protocol):
    def sealed_of(self, tx: Connection, wanted: Sequence[UUID | Entry]) -> list[SealedIdentity]:
        """Those who are enrolled, in any order."""


Tell = Callable[[Connection, Sequence[DomainEvent]], None]
"""Writes events beside the rows, in the same transaction."""


@dataclass(frozen=True, slots=True)
class Office:
    """Everything that the use cases work with."""

    people: People
    dossiers: Dossiers
    lists: Lists
    sealer: Seal
    tell: Tell
    rule_set: RuleSet
    city_key: bytes
    city_root: str
