"""What the worker learns and tells: a scan as recorded, a trace as asked for, a trace as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chassis.pseudonym import keyed_uuid
from services.checkpoints.domain.reuse import UseKey
from services.checkpoints.domain.scans import FEVER_C, STRICTNESS, Decision

REQUESTER = ("requester",)
"""What stands before a `sub` in its pseudonym; no document and no plate begins so."""


@dataclass(frozen=True, slots=True)
class ScanFact:
    """A recorded scan; texts are empty where nothing was told. `revision` 2 completes it with the person.

    `pass_iat`: when the shown pass was issued, in Unix seconds. `repeat_of`: the scan that this one only repeats, which
    is counted and traced. `gate_said_at`: the gate's own time where its clock was off; `scanned_at` is the server's.
    """

    scan_id: UUID
    checkpoint_id: UUID
    kind: str
    area: str
    scanned_at: datetime
    recorded_at: datetime
    decision: str
    colour: str
    refusal: str
    policy_version: str
    board_revision: int
    direction: str
    temperature_c: float | None
    list: int | None
    idx: int | None
    person_ref: UUID | None
    vehicle_ref: UUID | None
    offline_decision: str
    is_self_reported: bool
    revision: int
    pass_iat: int | None = None
    repeat_of: UUID | None = None
    gate_said_at: datetime | None = None

    def is_stop_of_someone(self) -> bool:
        """A gate stopped a person who is known; what a citizen's own phone says stops nobody.

        A gate without a network that decided otherwise stopped nobody, whatever the server says afterwards; and nobody
        is alarmed about somebody whom it stopped and the server lets pass. Both are told as a difference.
        """
        was_stopped = self.decision == "stop" and self.offline_decision in ("", "stop")
        return was_stopped and self.person_ref is not None and not self.is_self_reported

    def is_use_of_a_pass(self) -> bool:
        return bool(self.list) and not self.is_self_reported

    def use_key(self) -> UseKey | None:
        """By which a shown pass is used up; None for all that is none."""
        if self.list is None or self.idx is None or self.pass_iat is None:
            return None
        return self.list, self.idx, self.pass_iat, self.direction == "out"

    def has_let_in(self) -> bool:
        """What the gate did: where it had no network, what it decided alone."""
        return (self.offline_decision or self.decision) == Decision.PASS

    def is_decided_otherwise_offline(self) -> bool:
        """A gate without a network decided something else.

        All in a vehicle have its decision, the strictest of theirs: that it is stricter than somebody's own is no
        difference (of a driver alone neither), that it is laxer is one. A vehicle's own record has the strictest too.
        """
        if self.offline_decision in ("", self.decision):
            return False
        taken, own = Decision(self.offline_decision), Decision(self.decision)
        is_in_a_vehicle = self.vehicle_ref is not None and (self.person_ref is not None or bool(self.list))
        return not is_in_a_vehicle or STRICTNESS[own] > STRICTNESS[taken]

    def is_fever(self) -> bool:
        return self.temperature_c is not None and self.temperature_c >= FEVER_C


@dataclass(frozen=True, slots=True)
class TraceOrder:
    """Who was near this person between two moments?

    `requester` is the keyed pseudonym of the person who asked or opened the case, None where nobody knows.
    `requested_by` is that person's `sub`, where an official asked here. `area` is the case's, empty where unknown.
    """

    trace_id: UUID
    entry_id: str
    person_ref: UUID
    from_at: datetime
    to_at: datetime
    requested_by: str | None = None
    requester: UUID | None = None
    area: str = ""


@dataclass(frozen=True, slots=True)
class TraceFact:
    """A trace as stored; `revision` is that of its last event, `parts` those told so far."""

    trace_id: UUID
    entry_id: str
    person_ref: UUID
    from_at: datetime
    to_at: datetime
    status: str
    tracing_rule: str
    parts: int
    revision: int
    requested_by: str | None = None
    approved_by: str | None = None
    requester: UUID | None = None
    area: str = ""
    requested_at: datetime | None = None

    @property
    def has_requester(self) -> bool:
        return self.requester is not None or self.requested_by is not None

    def was_asked_by(self, official: Official) -> bool:
        return self.requested_by == official.subject or self.requester == official.pseudonym


@dataclass(frozen=True, slots=True)
class Official:
    """Who asks for a trace or approves one: the token's `sub`, and its keyed pseudonym (`official_of`)."""

    subject: str
    pseudonym: UUID


def official_of(city_key: bytes, subject: str) -> Official:
    """The pseudonym is the one that the ledger tells of the person who opened a case."""
    return Official(subject, keyed_uuid(city_key, *REQUESTER, subject))


@dataclass(frozen=True, slots=True)
class Destruction:
    """What was destroyed, and by which rule (such as `HISTORY_DAYS=28`).

    `what` is a table; `day` the UTC day of the rows or, where they are not kept by day, the day before which they lay.
    """

    what: str
    day: date
    rows: int
    destroyed_at: datetime
    rule: str
