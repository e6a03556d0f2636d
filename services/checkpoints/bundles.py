"""What a gate needs to decide without a network: keys, signed policies, signed status lists, and its own checkpoint.

codes' signed lists are asked for when a gate wants a bundle, never on the scan path, at most every few seconds, and
with the ETag of what is here. A gate names the lists that it has in `If-None-Match`; those are left out.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from chassis.clock import Clock
from services.checkpoints.bundle_signing import text_of
from services.checkpoints.codes_client import CodesUnavailable, StatusList
from services.checkpoints.domain.errors import BundleNotReady
from services.checkpoints.domain.life import Timeline
from services.checkpoints.domain.policy import SignedPolicy

log = structlog.get_logger("bundles")

ASK_AGAIN = timedelta(seconds=10)
LIST_AGE_MAX = timedelta(seconds=60)
"""codes signs a list at most once a minute: what it gives may be that old."""
_TAG = re.compile(r'"([0-9]{1,6}\.[0-9]{1,18})"')


class Lists(Protocol):
    """What is asked of codes (codes_client.py)."""

    def status_list(self, number: int, etag: str | None) -> StatusList | None: ...


class Numbers(Protocol):
    """Which lists there are: those on the board."""

    def revisions(self) -> Mapping[int, int]: ...


@dataclass(frozen=True, slots=True)
class HeldLists:
    """codes' signed lists by number, true as of a moment."""

    lists: Mapping[int, StatusList]
    as_of: datetime


class SignedLists:
    def __init__(self, codes: Lists, board: Numbers, clock: Clock) -> None:
        self._codes, self._board, self._clock = codes, board, clock
        self._held: HeldLists | None = None
        self._asked_at: datetime | None = None
        self._asking = threading.Lock()

    def current(self) -> HeldLists:
        """The lists as codes gave them lately, or as they were while it cannot be asked. Raises `BundleNotReady`.

        One caller asks codes; the others take what is here, and wait only while there is nothing.
        """
        if self._asking.acquire(blocking=self._held is None):
            try:
                self._refresh(self._clock())
            finally:
                self._asking.release()
        if self._held is None or not self._held.lists:
            raise BundleNotReady()
        return self._held

    def _refresh(self, now: datetime) -> None:
        if self._asked_at is not None and now - self._asked_at < ASK_AGAIN:
            return
        self._asked_at = now
        try:
            self._held = HeldLists(self._ask(), now - LIST_AGE_MAX)
        except CodesUnavailable as error:
            log.warning("codes cannot be asked for its lists", error=type(error).__name__)

    def _ask(self) -> dict[int, StatusList]:
        known = {} if self._held is None else self._held.lists
        found = {}
        for number in self._board.revisions():
            etag = known[number].etag if number in known else None
            given = self._codes.status_list(number, etag) or known[number]
            if number in known and given.order() < known[number].order():
                log.warning("codes gives an older list than before; the newer one is kept", list=number)
                given = known[number]
            found[number] = given
        return found


def tags_of(if_none_match: str) -> frozenset[str]:
    """The tags of lists in an `If-None-Match`, such as `"1.17"`: list 1 at revision 17."""
    return frozenset(_TAG.findall(if_none_match))


def bundle_of(
    *,
    versions: Timeline,
    policy: SignedPolicy,
    upcoming: Iterable[SignedPolicy],
    jwks: Mapping[str, Any],
    policy_jwks: Mapping[str, Any],
    held: HeldLists,
    known_tags: frozenset[str],
    status_list_uri: str,
    now: datetime,
    epoch: int = 0,
    nonce: str | None = None,
) -> dict[str, Any]:
    """The bundle as JSON, not signed yet; a list that the gate has stands without its token.

    `epoch` stands before every revision: it is raised when the policies were restored from a backup.
    """
    offline = policy.policy.offline
    return {
        "checkpoint": {
            "checkpoint_id": str(versions[0].checkpoint_id),
            "versions": [
                {
                    "kind": version.kind,
                    "name": version.name,
                    "venue": version.venue,
                    "area": version.area,
                    "stage": version.stage.value,
                    "successor": version.successor and str(version.successor),
                    "holds_from": version.holds_from.isoformat(),
                }
                for version in versions
            ],
        },
        "jwks": dict(jwks),
        "policy_jwks": dict(policy_jwks),
        "policy": policy.token,
        "upcoming_policies": [signed.token for signed in upcoming],
        "status_lists": [
            _list(number, each, known_tags, status_list_uri) for number, each in sorted(held.lists.items())
        ],
        "board": {"stale_s": int(offline.stale_after.total_seconds()), "as_of": held.as_of.isoformat()},
        "epoch": epoch,
        "nonce": nonce,
        "issued_at": now.isoformat(),
        "expires_at": (now + offline.expires_after).isoformat(),
    }


def _list(number: int, signed: StatusList, known_tags: frozenset[str], status_list_uri: str) -> dict[str, Any]:
    tag = f"{number}.{signed.revision}"
    return {
        "list": number,
        "uri": f"{status_list_uri}/{number}",
        "etag": f'"{tag}"',
        "digest": text_of(signed.token.encode()),
        "token": None if tag in known_tags else signed.token,
    }
