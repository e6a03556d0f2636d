"""Registration in place: a person without a code is written down by the guard, and the destination hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.checkpoints.domain.errors import RegistrationNotDoneHere
from services.checkpoints.domain.policy import KindPolicy, RegistrationOutcome, Say
from services.checkpoints.domain.scans import FEVER_C, STRICTNESS, Checkpoint, Decision, Refusal


@dataclass(frozen=True, slots=True)
class Registration:
    """Who came from where to where; name, number and phone are kept apart from it, sealed.

    `from_area` is a division code or, from abroad, a country; `digest` tells a repeat from another registration, and
    `digest_online` is that of the same form as it was sent before a gate without an answer decided alone.
    """

    registration_id: UUID
    checkpoint_id: UUID
    person_ref: UUID
    from_area: str
    to_area: str
    temperature_c: float | None
    vehicle_ref: UUID | None
    registered_at: datetime
    offline_decision: str | None
    offline_policy_version: str | None
    digest: bytes
    digest_online: bytes | None = None

    def has_fever(self) -> bool:
        return self.temperature_c is not None and self.temperature_c >= FEVER_C


@dataclass(frozen=True, slots=True)
class Admittance:
    """What the guard does with a registered person, and why: `outcome` is registered, fever or checkpoint_revoked."""

    decision: Decision
    outcome: str
    policy_version: str
    recorded_at: datetime


def admit(policy: KindPolicy, checkpoint: Checkpoint, registration: Registration, now: datetime) -> Admittance:
    """The stricter of what the policy says of a registered person and of a checkpoint that is closed.

    Whoever is there is written down even at a closed checkpoint. Raises `RegistrationNotDoneHere`.
    """
    if policy.registration is None:
        raise RegistrationNotDoneHere()
    outcome = RegistrationOutcome.FEVER if registration.has_fever() else RegistrationOutcome.REGISTERED
    found = [(policy.registration.decisions[outcome], outcome.value)]
    if not checkpoint.is_open:
        found.append((policy.decisions[Refusal.CHECKPOINT_REVOKED], Refusal.CHECKPOINT_REVOKED.value))
    decision, why = max(found, key=lambda each: STRICTNESS[each[0]])
    return Admittance(decision, why, policy.version, now)


def words_of(policy: KindPolicy, outcome: str) -> Say:
    """What to show and say of an outcome."""
    if outcome == Refusal.CHECKPOINT_REVOKED.value or policy.registration is None:
        return policy.words[Refusal.CHECKPOINT_REVOKED]
    return policy.registration.words[RegistrationOutcome(outcome)]
