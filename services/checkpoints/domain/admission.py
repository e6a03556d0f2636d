"""The decision at the gate: pure, by the policy of the checkpoint's kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.checkpoints.domain.policy import KindPolicy, Outcome
from services.checkpoints.domain.scans import STRICTNESS, Colour, Decision, Refusal, Ruling


class Standing(NamedTuple):
    """What the board says of an entry: its colour, at which revision of its list, and whether that can be relied on."""

    colour: Colour
    revision: int
    is_stale: bool = False
    is_void: bool = False


NOBODY = Standing(Colour.UNKNOWN, 0)
"""Where there is no entry to look up."""


class Admission(NamedTuple):
    """`refusal` is None where the colour alone decided."""

    decision: Decision
    colour: Colour
    refusal: Refusal | None


def decide(
    policy: KindPolicy,
    *,
    fault: Refusal | None,
    standing: Standing,
    has_fever: bool,
    has_no_mask: bool = False,
    is_reused: bool = False,
    is_revoked: bool = False,
    is_clock_off: bool = False,
) -> Admission:
    """The strictest of all that is so; of equally strict outcomes the checkpoint that takes no scans (`is_revoked`) is
    told first, then the gate's clock, the pass's fault before its use elsewhere, that before the fever and the missing
    mask, those before a stale board, and the colour last.

    A pass with a fault names nobody, so its holder's colour is unknown and does not count. Of most scans there is
    nothing to tell but the colour.
    """
    is_about_gate = is_revoked or is_clock_off or standing.is_stale
    if not (fault or is_about_gate or standing.is_void or is_reused or has_fever or has_no_mask):
        return Admission(policy.decisions[standing.colour], standing.colour, None)
    outcomes: list[Outcome] = []
    if is_revoked:
        outcomes.append(Refusal.CHECKPOINT_REVOKED)
    if is_clock_off:
        outcomes.append(Refusal.CLOCK_OFF)
    if fault is not None:
        outcomes.append(fault)
    if standing.is_void:
        outcomes.append(Refusal.PASS_VOID)
    if is_reused:
        outcomes.append(Refusal.PASS_REUSED)
    if has_fever:
        outcomes.append(Refusal.FEVER)
    if has_no_mask:
        outcomes.append(Refusal.NO_MASK)
    if standing.is_stale:
        outcomes.append(Refusal.BOARD_STALE)
    if fault is None:
        outcomes.append(standing.colour)
    outcome = policy.strictest(outcomes)
    return Admission(policy.decisions[outcome], standing.colour, outcome if isinstance(outcome, Refusal) else None)


def worst(rulings: Iterable[Ruling]) -> Ruling:
    """The strictest ruling, the first of equals: what a vehicle is told."""
    return max(rulings, key=lambda ruling: STRICTNESS[ruling.decision])
