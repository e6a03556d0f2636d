"""The decision of a gate without a network: by the server's own pure code, and `check` where the bundle cannot settle.

The city key never reaches a gate, so a document or a plate alone names nobody here. What is not settled never passes; a
stop that is certain all the same (a fever, a red pass) stays a stop. Only that a pass was shown elsewhere just now is
beyond every single gate: the worker finds it from the late uploads.

A scan is judged at its moment, and settled only if the bundle reaches that moment and now: else a slow clock, or a line
that is dated back, would bring a bundle to life again that is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from guanka.gate.knowledge import Knowledge
from services.checkpoints.domain.admission import NOBODY, Admission, Standing, decide
from services.checkpoints.domain.life import holding
from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.policy import Say
from services.checkpoints.domain.scans import (
    STRICTNESS,
    Attempt,
    Checkpoint,
    Colour,
    Decision,
    Entry,
    OfflineDecision,
    Refusal,
)

UNSETTLED = Say(
    "离线无法核定，请人工核验证件。", "This cannot be settled without the network. Staff will check by hand."
)
NO_POLICY = "none@0"


@dataclass(frozen=True, slots=True)
class Taken:
    """What the gate decided by itself; `is_settled` False where the bundle did not suffice."""

    decision: Decision
    colour: Colour
    refusal: Refusal | None
    say: Say
    policy_version: str
    list_revision: int
    is_settled: bool

    def for_upload(self) -> OfflineDecision:
        return OfflineDecision(self.decision.value, self.refusal, self.policy_version, self.list_revision)


BLIND = Taken(Decision.CHECK, Colour.UNKNOWN, None, UNSETTLED, NO_POLICY, 0, is_settled=False)
"""Without any bundle."""


def decide_offline(knowledge: Knowledge | None, attempt: Attempt, now: datetime | None = None) -> Taken:
    """What the gate does about a person, or about a vehicle with its people: then the strictest of all.

    `now` is when it is decided, whenever the scan was; the clock's where it is not given.
    """
    if knowledge is None:
        return BLIND
    now = now or datetime.now(UTC)
    checkpoint = holding(knowledge.versions, attempt.scanned_at)
    judged = [_judge(knowledge, checkpoint, each, now) for each in _to_judge(attempt)]
    return max(judged, key=lambda taken: STRICTNESS[taken.decision])


def _to_judge(attempt: Attempt) -> list[Attempt]:
    """Of a vehicle about which nothing is known itself, only its people count, as at the server."""
    return list(attempt.people) if attempt.people and attempt.names_nobody() else [attempt, *attempt.people]


def _judge(knowledge: Knowledge, checkpoint: Checkpoint, attempt: Attempt, now: datetime) -> Taken:
    at = attempt.scanned_at
    signed = knowledge.policy_at(at)
    found = None if attempt.token is None else knowledge.key_ring.read(attempt.token, at)
    fault = found if isinstance(found, Refusal) else None
    entry = found.entry if isinstance(found, ReadPass) else None
    standing = NOBODY if entry is None else knowledge.standing_of(entry, at, now)
    admission = decide(
        signed.policy.kinds[checkpoint.kind],
        fault=fault,
        standing=standing,
        has_fever=attempt.has_fever(),
        has_no_mask=attempt.mask is False,
        is_revoked=not checkpoint.is_open,
    )
    if admission.decision is Decision.STOP or _is_settled(knowledge, checkpoint, attempt, entry, now):
        say = signed.policy.words(checkpoint.kind, admission.colour, admission.refusal)
        return _taken(admission, say, signed.policy.version, standing, is_settled=True)
    told = admission.refusal if admission.decision is Decision.CHECK else None
    unsettled = Admission(Decision.CHECK, Colour.UNKNOWN, told)
    return _taken(unsettled, UNSETTLED, signed.policy.version, standing, is_settled=False)


def _is_settled(
    knowledge: Knowledge, checkpoint: Checkpoint, attempt: Attempt, entry: Entry | None, now: datetime
) -> bool:
    """Whether the bundle holds all that the server would ask."""
    is_pass_alone = attempt.token is not None and attempt.person_ref is None
    is_list_here = entry is None or entry.list in knowledge.lists
    is_reached = knowledge.reaches(attempt.scanned_at, now)
    return is_pass_alone and is_list_here and checkpoint.successor is None and is_reached


def _taken(admission: Admission, say: Say, policy_version: str, standing: Standing, *, is_settled: bool) -> Taken:
    return Taken(
        admission.decision,
        admission.colour,
        admission.refusal,
        say,
        policy_version,
        standing.revision,
        is_settled,
    )
