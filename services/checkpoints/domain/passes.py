"""What makes a pass good at the moment it was scanned; signatures are key_ring.py's business."""

from __future__ import annotations

from typing import NamedTuple

from services.checkpoints.domain.scans import Refusal

SHOWN, PRINTED = "pass+jwt", "printed-pass+jwt"
LIFE_S_MAX = {SHOWN: 65, PRINTED: 180 * 86_400 + 60}
"""60 seconds and 180 days, and a little for whole seconds."""
EARLY_S_MAX = 5
"""How far a gate's clock may be behind the issuer's. Ahead it needs nothing: the page mints again in time."""


class PassClaims(NamedTuple):
    """The claims of a pass whose signature is good; times in Unix seconds."""

    type: str
    issued_at_s: int
    expires_at_s: int


def fault_of(claims: PassClaims, scanned_at_s: float) -> Refusal | None:
    """Why the pass does not count at that moment; None when it does."""
    life_s = claims.expires_at_s - claims.issued_at_s
    if not 0 < life_s <= LIFE_S_MAX[claims.type]:
        return Refusal.PASS_FORGED
    if scanned_at_s + EARLY_S_MAX < claims.issued_at_s:
        return Refusal.PASS_NOT_YET_VALID
    if scanned_at_s >= claims.expires_at_s:
        return Refusal.PASS_EXPIRED
    return None
