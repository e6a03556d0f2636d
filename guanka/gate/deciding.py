"""The decision of a gate without a network: by the server's own pure code, and `check` where the bundle cannot settle.

The city key never reaches a gate, so a document or a plate alone names nobody here. What is not settled never passes; a
stop that is certain all the same (a fever, a red pass) stays a stop. A gate knows which shown passes it has let in with
by itself; that one was used elsewhere is beyond every single gate, and the worker finds it from the late uploads.

A scan is judged at its moment, and settled only if the bundle reaches that moment and now: else a slow clock, or a line
that is dated back, would bring a bundle to life again that is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from guanka.gate.knowledge import Knowledge
from services.checkpoints.domain.admission import NOBODY, Admission, Standing, decide
from services.checkpoints.domain.clocks import ON_THE_WAY_S_MAX
from services.checkpoints.domain.life import holding
from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.policy import Say
from services.checkpoints.domain.reuse import REPEAT_S, UseKey
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


UsedAt = Callable[[UseKey], datetime | None]
"""When this gate let somebody in with a shown pass."""


def decide_offline(
    knowledge: Knowledge | None, attempt: Attempt, now: datetime | None = None, used_at: UsedAt | None = None
) -> Taken:
    """What the gate does about a person, or about a vehicle with its people: then the strictest of all.

    `now` is when it is decided, whenever the scan was; the clock's where it is not given.
    """
    if knowledge is None:
        return BLIND
    now = now or datetime.now(UTC)
    checkpoint = holding(knowledge.versions, attempt.scanned_at)
    judged, shown = list[Taken](), set[Entry]()
    for each in _to_judge(attempt):
        entry = _entry_of(knowledge, each)
        judged.append(_judge(knowledge, checkpoint, each, now, used_at, is_copy=entry in shown))
        shown |= set() if entry is None else {entry}
    return max(judged, key=lambda taken: STRICTNESS[taken.decision])


def _entry_of(knowledge: Knowledge, attempt: Attempt) -> Entry | None:
    """The entry that the shown pass names, if any. Two people of a vehicle never share one: the second has a copy."""
    found = None if attempt.token is None else knowledge.key_ring.read(attempt.token, attempt.scanned_at)
    return found.entry if isinstance(found, ReadPass) else None


def uses_in(knowledge: Knowledge | None, attempt: Attempt) -> list[tuple[UseKey, datetime]]:
    """The shown passes that are used up where these people are let in, each with the moment of its scan."""
    if knowledge is None:
        return []
    return [
        (key, each.scanned_at)
        for each in (attempt, *attempt.people)
        if each.token is not None and (key := _key_of(knowledge, each, each.token)) is not None
    ]


def _key_of(knowledge: Knowledge, attempt: Attempt, token: str) -> UseKey | None:
    found = knowledge.key_ring.read(token, attempt.scanned_at, ON_THE_WAY_S_MAX)
    if isinstance(found, Refusal) or found.shown_at_s is None:
        return None
    return (*found.entry, found.shown_at_s, attempt.direction == "out")


def _to_judge(attempt: Attempt) -> list[Attempt]:
    """Of a vehicle about which nothing is known itself, only its people count, as at the server."""
    return list(attempt.people) if attempt.people and attempt.names_nobody() else [attempt, *attempt.people]


def _is_used_up(knowledge: Knowledge, attempt: Attempt, used_at: UsedAt | None) -> bool:
    if attempt.token is None or used_at is None:
        return False
    key = _key_of(knowledge, attempt, attempt.token)
    before = None if key is None else used_at(key)
    return before is not None and abs((attempt.scanned_at - before).total_seconds()) > REPEAT_S


def _judge(
    knowledge: Knowledge,
    checkpoint: Checkpoint,
    attempt: Attempt,
    now: datetime,
    used_at: UsedAt | None,
    *,
    is_copy: bool = False,
) -> Taken:
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
        is_reused=entry is not None and (is_copy or _is_used_up(knowledge, attempt, used_at)),
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
