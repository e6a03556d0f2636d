"""Clocks: which of two dates a scan and judges its pass, the gate's or the server's.

An online scan is of now. A gate's clock may be a little off, so its time only orders scans, and the server's decides
whether a pass is fresh. A clock that is further off dates nothing: the scan gets the server's time, and somebody looks.
Offline scans keep the gate's time, for there is no other.
"""

from __future__ import annotations

from datetime import datetime, timedelta

OFF_MAX = timedelta(minutes=2)
"""How far a gate's clock may be from the server's."""
ON_THE_WAY_S_MAX = 5.0
"""What a scan may have been on its way by its own account: a pass that was good when it left the gate is good."""
QUIET = timedelta(hours=1)
"""A clock that nobody has found off for so long is right again: the next time it is a new trouble."""


def is_off(said_at: datetime, now: datetime) -> bool:
    return not -OFF_MAX <= said_at - now <= OFF_MAX


def on_the_way_s(scanned_at: datetime, now: datetime) -> float:
    """How long an online scan was on its way, as far as that is believed; 0 where the gate's clock is fast."""
    return min(ON_THE_WAY_S_MAX, max(0.0, (now - scanned_at).total_seconds()))
