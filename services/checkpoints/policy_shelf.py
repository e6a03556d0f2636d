"""The policy in force, and those before it: a repeated scan is answered in the words of its own version."""

from __future__ import annotations

from collections.abc import Iterable

from services.checkpoints.domain.policy import KindPolicy, Policy, Say
from services.checkpoints.domain.scans import Ruling


class PolicyShelf:
    def __init__(self, current: Policy, earlier: Iterable[Policy] = ()) -> None:
        self._current = current
        self._by_version = {policy.version: policy for policy in (*earlier, current)}

    def of(self, kind: str) -> KindPolicy:
        """What is in force at a kind of checkpoint."""
        return self._current.kinds[kind]

    def words(self, kind: str, ruling: Ruling) -> Say:
        policy = self._by_version.get(ruling.policy_version, self._current)
        return policy.words(kind, ruling.colour, ruling.refusal)
