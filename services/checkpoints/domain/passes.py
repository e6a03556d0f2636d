"""What makes a pass good at the moment it was scanned; signatures are key_ring.py's business."""

from __future__ import annotations

from typing import NamedTuple

from services.checkpoints.domain.scans import Entry, Refusal

SHOWN, PRINTED = "pass+jwt", "printed-pass+jwt"
LIFE_S_MAX = {SHOWN: 65, PRINTED: 180 * 86_400 + 60}
"""60 seconds and 180 days, and a little for whole seconds."""
EARLY_S_MAX = 5
"""How far the clock that judges may be behind the issuer's. Ahead it needs nothing: the page mints again in time."""


class PassClaims(NamedTuple):
    """The claims of a pass whose signature is good; times in Unix seconds."""

    type: str
    issued_at_s: int
    expires_at_s: int


class ReadPass(NamedTuple):
    """A pass that counts: where it points, and of a shown one when it was issued, in Unix seconds."""

    entry: Entry
    shown_at_s: int | None


def fault_of(claims: PassClaims, at_s: float, on_the_way_s: float = 0.0) -> Refusal | None:
    """Why the pass does not count at a moment; None when it does. It had until `on_the_way_s` before to be good."""
    life_s = claims.expires_at_s - claims.issued_at_s
    if not 0 < life_s <= LIFE_S_MAX[claims.type]:
        return Refusal.PASS_FORGED
    if at_s + EARLY_S_MAX < claims.issued_at_s:
        return Refusal.PASS_NOT_YET_VALID
    if at_s - on_the_way_s >= claims.expires_at_s:
        return Refusal.PASS_EXPIRED
    return None
