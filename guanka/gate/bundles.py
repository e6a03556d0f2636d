"""The gate's bundles: fetched while there is a server, kept for when there is none, and taken from nobody else.

Policies say what the gate does, so their keys are not believed anew with each answer: those of `--policy-keys`, else
those that came with the first bundle, are kept on disk, and a policy that they have not signed is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from guanka.gate.clock import GateClock
from guanka.gate.knowledge import BundleRefused, Knowledge, moment_in, read_bundle
from guanka.gate.link import Away, Link
from guanka.gate.showing import Show
from guanka.gate.waiting import GateMemory
from services.checkpoints.signed import POLICY, public_keys

REFRESH_S = 30.0


class Bundles:
    def __init__(self, checkpoint: str, link: Link, memory: GateMemory, show: Show, clock: GateClock) -> None:
        self._checkpoint, self._link, self._memory, self._show = checkpoint, link, memory, show
        self._clock = clock
        self._refresh_at = datetime.min.replace(tzinfo=UTC)
        self.knowledge: Knowledge | None = None

    def is_due(self, now: datetime) -> bool:
        return now >= self._refresh_at

    def put_off(self, now: datetime) -> None:
        self._refresh_at = now + timedelta(seconds=REFRESH_S)

    def load(self) -> None:
        """Know again what was known before the gate was switched off."""
        kept = self._memory.bundle()
        if kept is None:
            return self._show.remark("no bundle yet: without the network everything is checked by hand")
        bundle, lists = kept
        tokens = {number: token for number, (_, token) in lists.items()}
        try:
            self.knowledge = self._read(bundle, tokens, self._clock.now())
        except BundleRefused as error:
            return self._show.remark(f"the bundle that was kept cannot be used: {error}", style="red")
        return self._tell("kept")

    def fetch(self) -> None:
        """Raises `Away`, `Refused`; a bundle that is not good leaves the one before."""
        kept = self._memory.bundle()
        known = {} if kept is None else kept[1]
        asked_at = self._clock.asks()
        bundle = self._link.bundle(self._checkpoint, [etag for etag, _ in known.values()])
        lists = {each["list"]: _signed_list(each, known) for each in bundle["status_lists"]}
        self.put_off(self._clock.now())
        try:
            self._clock.answered(asked_at, moment_in(bundle, "issued_at"))
            self.put_off(self._clock.now())
            tokens = {number: token for number, (_, token) in lists.items()}
            knowledge = self._read(bundle, tokens, self._clock.now())
        except BundleRefused as error:
            return self._show.remark(f"the server's bundle is refused: {error}", style="red")
        slim = bundle | {"status_lists": [each | {"token": None} for each in bundle["status_lists"]]}
        self._memory.keep_bundle(slim, lists)
        self._clock.believe(knowledge.issued_at)
        is_first, self.knowledge = self.knowledge is None, knowledge
        return self._tell("fetched") if is_first else None

    def _read(self, bundle: Mapping[str, Any], tokens: Mapping[int, str], now: datetime) -> Knowledge:
        """By the policy keys that are trusted; from the first bundle on, those of that one. Raises `BundleRefused`."""
        trusted = self._memory.policy_jwks()
        if trusted is not None:
            return read_bundle(bundle, tokens, now, public_keys(trusted, POLICY))
        knowledge = read_bundle(bundle, tokens, now)
        self._memory.trust(bundle["policy_jwks"])
        kids = ", ".join(sorted(public_keys(bundle["policy_jwks"], POLICY)))
        self._show.remark(
            f"policies are taken under {kids} alone from now on: the keys that came with the first bundle"
        )
        return knowledge

    def _tell(self, how: str) -> None:
        assert self.knowledge is not None
        known, now = self.knowledge, self._clock.now()
        policy = known.policy_at(now).policy
        self._show.remark(
            f"bundle {how}: {policy.version}, {len(known.lists)} lists as of {known.as_of.astimezone():%H:%M:%S}, "
            f"colours stale after {policy.offline.stale_after}, over at {known.over_at(now).astimezone():%F %H:%M}"
        )


def _signed_list(each: dict[str, Any], known: dict[int, tuple[str, str]]) -> tuple[str, str]:
    """(etag, token) of a list of the bundle, from the bundle or from before. Raises `Away` when neither has it."""
    if each["token"] is not None:
        return each["etag"], each["token"]
    etag, token = known.get(each["list"], ("", ""))
    if etag != each["etag"]:
        raise Away("a list is missing in the bundle")
    return etag, token
