"""The gate's bundles: fetched while there is a server, kept for when there is none, and taken from nobody else.

Policies say what the gate does, so their keys are not believed anew with each answer: those of `--policy-keys`, else
those that came with the first bundle, are kept on disk, and a policy that they have not signed is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from guanka.gate.clock import GateClock
from guanka.gate.knowledge import (
    BundleRefused,
    Knowledge,
    moment_in,
    order_of_policy,
    read_bundle,
    require_newer,
    require_whole,
)
from guanka.gate.link import Away, Link
from guanka.gate.showing import Show
from guanka.gate.waiting import GateMemory, Orders
from services.checkpoints.signed import BUNDLE, POLICY, public_keys

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
            if "signature" in bundle or self._knows_signers():
                self._require_whole(bundle, tokens, None)
            self.knowledge = self._read(bundle, tokens, self._clock.now())
        except BundleRefused as error:
            return self._show.remark(f"the bundle that was kept cannot be used: {error}", style="red")
        return self._tell("kept")

    def fetch(self) -> None:
        """Raises `Away`, `Refused`; a bundle that is not good leaves the one before."""
        kept = self._memory.bundle()
        known = {} if kept is None else kept[1]
        asked_at, nonce = self._clock.asks(), secrets.token_urlsafe(24)
        bundle = self._link.bundle(self._checkpoint, [etag for etag, _ in known.values()], nonce)
        self.put_off(self._clock.now())
        try:
            lists = _signed_lists(bundle, known)
            tokens = {number: token for number, (_, token) in lists.items()}
            self._require_whole(bundle, tokens, nonce)
            self._clock.answered(asked_at, moment_in(bundle, "issued_at"))
            self.put_off(self._clock.now())
            knowledge = self._read(bundle, tokens, self._clock.now())
            orders = self._newer(knowledge)
        except BundleRefused as error:
            return self._show.remark(f"the server's bundle is refused: {error}", style="red")
        slim = bundle | {"status_lists": [each | {"token": None} for each in bundle["status_lists"]]}
        self._trust(bundle)
        self._memory.keep_bundle(slim, lists, orders)
        self._clock.believe(knowledge.issued_at)
        is_first, self.knowledge = self.knowledge is None, knowledge
        return self._tell("fetched") if is_first else None

    def _knows_signers(self) -> bool:
        return bool(public_keys(self._memory.policy_jwks() or _NO_KEYS, BUNDLE))

    def _require_whole(self, bundle: Mapping[str, Any], tokens: Mapping[int, str], nonce: str | None) -> None:
        """By the keys that are trusted; those of the first signed bundle are. Raises `BundleRefused`."""
        try:
            trusted = self._memory.policy_jwks() or _NO_KEYS
            keys = public_keys(trusted, BUNDLE) or public_keys(bundle["policy_jwks"], BUNDLE)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleRefused(f"it brings no keys ({type(error).__name__})") from None
        require_whole(bundle, tokens, keys, checkpoint=self._checkpoint, nonce=nonce)

    def _newer(self, knowledge: Knowledge) -> Orders:
        """How new all is that is believed from now on. Raises `BundleRefused` where something is older than before.

        A policy that was to come has taken effect by now, so that the one before it is old.
        """
        believed = dict(self._memory.believed())
        before = self.knowledge
        if before is not None:
            taken = order_of_policy(before.policy_at(knowledge.issued_at), before.orders["policy"][0])
            believed["policy"] = max(taken, believed.get("policy", taken))
        require_newer(knowledge.orders, believed)
        return {**believed, **knowledge.orders}

    def _trust(self, bundle: Mapping[str, Any]) -> None:
        """Keep the keys of the first bundle; those that sign bundles also where only policies' keys were known."""
        trusted = self._memory.policy_jwks()
        if trusted is None:
            self._memory.trust(bundle["policy_jwks"])
            kids = ", ".join(sorted(public_keys(bundle["policy_jwks"], POLICY)))
            self._show.remark(
                f"policies are taken under {kids} alone from now on: the keys that came with the first bundle"
            )
        elif not public_keys(trusted, BUNDLE):
            signers = [key for key in bundle["policy_jwks"]["keys"] if key.get("typ") == BUNDLE]
            self._memory.trust({**trusted, "keys": [*trusted["keys"], *signers]})

    def _read(self, bundle: Mapping[str, Any], tokens: Mapping[int, str], now: datetime) -> Knowledge:
        """By the policy keys that are trusted; from the first bundle on, those of that one. Raises `BundleRefused`."""
        trusted = self._memory.policy_jwks()
        return read_bundle(bundle, tokens, now, None if trusted is None else public_keys(trusted, POLICY))

    def _tell(self, how: str) -> None:
        assert self.knowledge is not None
        known, now = self.knowledge, self._clock.now()
        policy = known.policy_at(now).policy
        self._show.remark(
            f"bundle {how}: {policy.version}, {len(known.lists)} lists as of {known.as_of.astimezone():%H:%M:%S}, "
            f"colours stale after {policy.offline.stale_after}, over at {known.over_at(now).astimezone():%F %H:%M}"
        )


_NO_KEYS: dict[str, Any] = {"keys": []}


def _signed_lists(bundle: Mapping[str, Any], known: Mapping[int, tuple[str, str]]) -> dict[int, tuple[str, str]]:
    """(etag, token) of each, from the bundle or from before. Raises `Away` when neither has it, `BundleRefused`."""
    try:
        return {each["list"]: _signed_list(each, known) for each in bundle["status_lists"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleRefused(f"it is not whole ({type(error).__name__})") from None


def _signed_list(each: Mapping[str, Any], known: Mapping[int, tuple[str, str]]) -> tuple[str, str]:
    if each["token"] is not None:
        return each["etag"], each["token"]
    etag, token = known.get(each["list"], ("", ""))
    if etag != each["etag"]:
        raise Away("a list is missing in the bundle")
    return etag, token
