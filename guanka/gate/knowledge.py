"""What a gate knows without a network: a bundle whose every signature has been looked at."""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.checkpoints.board import Board
from services.checkpoints.domain.errors import PolicyIncomplete, PolicyNotSigned
from services.checkpoints.domain.life import Timeline
from services.checkpoints.domain.policy import SignedPolicy
from services.checkpoints.domain.scans import Checkpoint, Stage
from services.checkpoints.key_ring import KeyRing
from services.checkpoints.signed import POLICY, STATUS_LIST, NotSigned, public_keys, read_signed
from services.checkpoints.signed_policies import read_signed_policy

_LIST_BYTES_MAX = 1 << 22


class BundleRefused(Exception):
    """The bundle is not what a gate may decide with; the message says why."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """`policies` in the order in which they take effect; `lists` are those whose colours are known."""

    versions: Timeline
    key_ring: KeyRing
    board: Board
    lists: frozenset[int]
    policies: Sequence[SignedPolicy]
    as_of: datetime
    issued_at: datetime
    expires_at: datetime

    def policy_at(self, moment: datetime) -> SignedPolicy:
        starts = [signed.effective_from for signed in self.policies]
        return self.policies[max(0, bisect_right(starts, moment) - 1)]


def read_bundle(bundle: Mapping[str, Any], tokens: Mapping[int, str], now: datetime) -> Knowledge:
    """The knowledge of a bundle; `tokens` has the signed list of each number. Raises `BundleRefused`."""
    try:
        versions = _versions(bundle["checkpoint"])
        policies = _policies(bundle)
        key_ring = KeyRing(_uri_start(bundle["status_lists"]))
        if not key_ring.put(bundle["jwks"]):
            raise BundleRefused("there is no key for passes")
        board = Board(policies[0].policy.offline.stale_after.total_seconds())
        as_of = datetime.fromisoformat(bundle["board"]["as_of"])
        for each in bundle["status_lists"]:
            number, packed = int(each["list"]), _packed(bundle["jwks"], tokens[each["list"]], each["uri"], now)
            board.put(number, revision_of(each["etag"]), packed)
        board.mark_complete(as_of.timestamp())
        issued_at, expires_at = (datetime.fromisoformat(bundle[name]) for name in ("issued_at", "expires_at"))
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise BundleRefused(f"{type(error).__name__}: {error}") from None
    except (NotSigned, PolicyNotSigned, PolicyIncomplete) as error:
        raise BundleRefused(f"{type(error).__name__} {error}".strip()) from None
    lists = frozenset(board.revisions())
    return Knowledge(versions, key_ring, board, lists, policies, as_of, issued_at, expires_at)


def revision_of(etag: str) -> int:
    """`"1.17"`: list 1 at revision 17."""
    return int(etag.strip('"').partition(".")[2])


def _versions(checkpoint: Mapping[str, Any]) -> Timeline:
    identifier = UUID(checkpoint["checkpoint_id"])
    versions = tuple(
        Checkpoint(
            checkpoint_id=identifier,
            kind=each["kind"],
            name=each["name"],
            venue=each["venue"],
            area=each["area"],
            venue_code="",
            stage=Stage(each["stage"]),
            successor=each["successor"] and UUID(each["successor"]),
            holds_from=datetime.fromisoformat(each["holds_from"]),
        )
        for each in checkpoint["versions"]
    )
    if not versions:
        raise BundleRefused("the checkpoint has no version")
    return versions


def _policies(bundle: Mapping[str, Any]) -> list[SignedPolicy]:
    keys = public_keys(bundle["policy_jwks"], POLICY)
    return [read_signed_policy(token, keys) for token in (bundle["policy"], *bundle["upcoming_policies"])]


def _uri_start(lists: Sequence[Mapping[str, Any]]) -> str:
    """What the address of every list begins with."""
    starts = {each["uri"].removesuffix(f"/{each['list']}") for each in lists}
    if len(starts) != 1:
        raise BundleRefused("the lists have no address in common")
    return str(starts.pop())


def _packed(jwks: Mapping[str, Any], token: str, uri: str, now: datetime) -> bytes:
    """Two bits a person of a signed list (IETF Token Status List)."""
    claims = read_signed(token, public_keys(jwks, STATUS_LIST), STATUS_LIST)
    if claims["sub"] != uri:
        raise BundleRefused("a list is signed for another address")
    if now.timestamp() >= claims["exp"]:
        raise BundleRefused("a list is over")
    if claims["status_list"]["bits"] != 2:
        raise BundleRefused("a list does not have two bits a person")
    text: str = claims["status_list"]["lst"]
    inflating = zlib.decompressobj()
    packed = inflating.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _LIST_BYTES_MAX)
    if inflating.unconsumed_tail:
        raise BundleRefused("a list is larger than any list")
    return packed
