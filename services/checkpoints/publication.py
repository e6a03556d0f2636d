"""Publishing a policy: signed, complete, from now on, and never two things under one version."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from services.checkpoints.domain.errors import PolicyMisdated, PolicyNotFound, PolicyPublishedOtherwise
from services.checkpoints.domain.policy import SignedPolicy
from services.checkpoints.signed import Keys
from services.checkpoints.signed_policies import read_signed_policy
from services.checkpoints.store import policies
from services.checkpoints.store.policies import Published

BACK_MAX, AHEAD_MAX = timedelta(minutes=5), timedelta(days=366)
"""A policy does not rewrite what gates have decided; what takes effect in two years is a slip of the pen."""


class Publication:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def publish(self, tx: Connection, token: str, *, published_by: str, now: datetime) -> tuple[Published, bool]:
        """(the policy as published, whether it is new).

        Raises `PolicyNotSigned`, `PolicyIncomplete`, `PolicyMisdated`, `PolicyPublishedOtherwise`.
        """
        signed = read_signed_policy(token, self._keys)
        known = policies.find(tx, signed.policy.version)
        if known is None:
            require_dates(signed, now)
        is_new = self.shelve(tx, signed, published_by=published_by)
        return find_policy(tx, signed.policy.version), is_new

    def shelve(self, tx: Connection, signed: SignedPolicy, *, published_by: str) -> bool:
        """Keep a policy under its version; False when it is there. Raises `PolicyPublishedOtherwise`."""
        if policies.add(tx, signed, published_by=published_by):
            return True
        known = read_signed_policy(find_policy(tx, signed.policy.version).token, self._keys)
        if not known.says_the_same(signed):
            raise PolicyPublishedOtherwise()
        return False


def find_policy(tx: Connection, version: str) -> Published:
    """Raises `PolicyNotFound`."""
    found = policies.find(tx, version)
    if found is None:
        raise PolicyNotFound()
    return found


def require_dates(signed: SignedPolicy, now: datetime) -> None:
    """Raises `PolicyMisdated`."""
    is_from_now_on = now - BACK_MAX <= signed.effective_from <= now + AHEAD_MAX
    if not is_from_now_on or signed.issued_at > now + BACK_MAX:
        raise PolicyMisdated()
