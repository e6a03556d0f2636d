"""The policies of this process: the one in force, those to come, and those before it.

A repeated scan is answered in the words of its own version. The shelf is read again beside the scan path, so every
process goes over to a newly effective policy within two seconds, whoever published it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import structlog

from chassis.clock import Clock
from services.checkpoints.domain.errors import PolicyIncomplete, PolicyNotSigned
from services.checkpoints.domain.policy import KindPolicy, Outcome, Say, Shown, SignedPolicy
from services.checkpoints.domain.scans import Ruling
from services.checkpoints.signed import Keys
from services.checkpoints.signed_policies import read_signed_policy

log = structlog.get_logger("policy_shelf")

ReadPublished = Callable[[], Iterable[tuple[str, str]]]
"""(version, token) of every published policy, in the order in which they take effect."""


class PolicyShelf:
    """Empty until its first `refresh`."""

    def __init__(self, read_published: ReadPublished, keys: Keys, clock: Clock) -> None:
        self._read_published, self._keys, self._clock = read_published, keys, clock
        self._tokens: tuple[tuple[str, str], ...] = ()
        self._in_order: tuple[Sequence[datetime], Sequence[SignedPolicy]] = (), ()
        self._refreshing = threading.Lock()
        self._by_version: dict[str, SignedPolicy] = {}
        self._current: SignedPolicy

    # -- on the scan path --------------------------------------------------------------------------------------------

    def of(self, kind: str) -> KindPolicy:
        """What is in force at a kind of checkpoint."""
        return self._current.policy.kinds[kind]

    def of_moment(self, kind: str, at: datetime) -> KindPolicy:
        """What was in force then: a gate without a network decided by it."""
        return self.at(at).policy.kinds[kind]

    def words(self, kind: str, ruling: Ruling) -> Say:
        signed = self._by_version.get(ruling.policy_version, self._current)
        return signed.policy.words(kind, ruling.colour, ruling.refusal)

    def compares(self, kind: str, version: str) -> frozenset[tuple[Shown, Outcome]]:
        """What the guard compares at a kind of checkpoint under a version."""
        return self._by_version.get(version, self._current).policy.kinds[kind].compares

    # -- beside it ---------------------------------------------------------------------------------------------------

    @property
    def current(self) -> SignedPolicy:
        return self._current

    def at(self, moment: datetime) -> SignedPolicy:
        """The policy in force at a moment; before the first of all, the first."""
        starts, in_order = self._in_order
        return in_order[max(0, bisect_right(starts, moment) - 1)]

    def upcoming(self) -> Sequence[SignedPolicy]:
        """What is published and takes effect later."""
        now = self._clock()
        return [signed for signed in self._in_order[1] if signed.effective_from > now]

    def refresh(self) -> None:
        """Read what was published, and go over to what has taken effect."""
        with self._refreshing:
            tokens = tuple(self._read_published())
            if tokens != self._tokens:
                self._take(tokens)
            current = self.at(self._clock())
            if current is not getattr(self, "_current", None):
                log.info("a policy is in force", policy=current.policy.version)
                self._current = current

    def _take(self, tokens: tuple[tuple[str, str], ...]) -> None:
        known = {signed.token: signed for signed in self._in_order[1]}
        read = [known.get(token) or self._read(version, token) for version, token in tokens]
        in_order = [signed for signed in read if signed is not None]
        self._in_order = [signed.effective_from for signed in in_order], in_order
        self._by_version = {signed.policy.version: signed for signed in in_order}
        self._tokens = tokens

    def _read(self, version: str, token: str) -> SignedPolicy | None:
        """None for one that was published under a key that is no longer trusted: it is passed over, and said so."""
        try:
            return read_signed_policy(token, self._keys)
        except (PolicyNotSigned, PolicyIncomplete) as error:
            log.error("a published policy cannot be used", policy=version, error=type(error).__name__)
            return None
