"""What a gate knows without a network: a bundle whose every signature has been looked at, and for how long it holds.

The bundle is signed as a whole, with the nonce of the question, so that no parts of before stand in it. Its own times
count within what policies and lists say besides: a list is over at its own `exp`, and a policy says how old colours may
be and how long a bundle may be used. How fresh the lists are, the bundle says (`as_of`): checkpoints keeps the token of
a list that has not changed, so that an honest one may have been signed days ago.
"""

from __future__ import annotations

import base64
import math
import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from guanka.gate.waiting import Order, Orders
from services.checkpoints.board import Board
from services.checkpoints.bundle_signing import require_signed, text_of
from services.checkpoints.domain.admission import Standing
from services.checkpoints.domain.errors import PolicyIncomplete, PolicyNotSigned
from services.checkpoints.domain.life import Timeline
from services.checkpoints.domain.policy import SignedPolicy
from services.checkpoints.domain.scans import Checkpoint, Entry, Stage
from services.checkpoints.key_ring import KeyRing
from services.checkpoints.signed import POLICY, STATUS_LIST, Keys, NotSigned, public_keys, read_signed
from services.checkpoints.signed_policies import read_signed_policy

BEFORE_MAX = timedelta(minutes=5)
"""How long before its bundle was made a scan may lie: as far as a gate's clock may be from the server's."""

_LIST_BYTES_MAX = 1 << 22


class BundleRefused(Exception):
    """The bundle is not what a gate may decide with; the message says why."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """`policies` in the order in which they take effect; `lists` are those whose colours are known.

    `board` has no limit of its own: how old colours may be is said by the policy of the moment. `expires_at` is the
    latest moment of all. `orders`: how new the policy in force and each list are.
    """

    versions: Timeline
    key_ring: KeyRing
    board: Board
    lists: frozenset[int]
    policies: Sequence[SignedPolicy]
    as_of: datetime
    issued_at: datetime
    expires_at: datetime
    orders: Orders = field(default_factory=dict)

    def policy_at(self, moment: datetime) -> SignedPolicy:
        starts = [signed.effective_from for signed in self.policies]
        return self.policies[max(0, bisect_right(starts, moment) - 1)]

    def standing_of(self, entry: Entry, moment: datetime, now: datetime) -> Standing:
        """As the board has it now; how old it may be then, the policy of the moment says."""
        stale_after = self.policy_at(moment).policy.offline.stale_after
        is_stale = self.board.age_s(now.timestamp()) > stale_after.total_seconds()
        return self.board.standing_of(entry, now.timestamp())._replace(is_stale=is_stale)

    def is_over(self, moment: datetime, now: datetime) -> bool:
        """Whether the later of a scan's moment and now is beyond the bundle, by the policy of the moment."""
        return max(moment, now) >= self.over_at(moment)

    def over_at(self, moment: datetime) -> datetime:
        return min(self.expires_at, self.issued_at + self.policy_at(moment).policy.offline.expires_after)

    def is_before(self, moment: datetime) -> bool:
        """Whether the bundle is too new to know of that moment: a slow clock, or a scan that somebody dated back."""
        return moment < self.issued_at - BEFORE_MAX or moment < self.policies[0].effective_from

    def reaches(self, moment: datetime, now: datetime) -> bool:
        """Whether a scan or form of that moment can be settled now."""
        return not (self.is_before(moment) or self.is_over(moment, now))


def require_whole(
    bundle: Mapping[str, Any],
    tokens: Mapping[int, str],
    keys: Keys,
    *,
    checkpoint: str,
    nonce: str | None,
) -> None:
    """Raises `BundleRefused` unless all of it was signed together, for this gate, in answer to its nonce.

    `nonce` is None for a bundle that this gate has kept.
    """
    try:
        require_signed(bundle, keys)
        foreign = [each["list"] for each in bundle["status_lists"] if text_of(_token(tokens, each)) != each["digest"]]
        is_ours = bundle["checkpoint"]["checkpoint_id"] == checkpoint and nonce in (None, bundle["nonce"])
    except NotSigned:
        raise BundleRefused(
            f"it is signed by none of the keys that this gate trusts ({', '.join(sorted(keys)) or 'there is none'}) "
            "or was changed; if the city has other keys now, start the gate with --policy-keys FILE"
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleRefused(f"it is not whole ({type(error).__name__})") from None
    if foreign:
        raise BundleRefused(f"list {foreign[0]} is not the one that was signed with it")
    if not is_ours:
        raise BundleRefused("it answers another question than this gate's")


def _token(tokens: Mapping[int, str], each: Mapping[str, Any]) -> bytes:
    return tokens[each["list"]].encode()


def require_newer(orders: Orders, believed: Orders) -> None:
    """Raises `BundleRefused` where anything is older than what was believed before."""
    for what, order in orders.items():
        if order < believed.get(what, order):
            raise BundleRefused(
                f"{what} is older than what this gate has believed; after a restore the city raises the epoch"
            )


def read_bundle(
    bundle: Mapping[str, Any], tokens: Mapping[int, str], now: datetime, policy_keys: Keys | None = None
) -> Knowledge:
    """The knowledge of a bundle; `tokens` has the signed list of each number. Raises `BundleRefused`.

    `policy_keys` are those under which this gate takes policies; None where it knows none yet, and must believe those
    of the bundle.
    """
    try:
        versions = _versions(bundle["checkpoint"])
        policies = _policies(bundle, policy_keys)
        key_ring = KeyRing(_uri_start(bundle["status_lists"]))
        if not key_ring.put(bundle["jwks"]):
            raise BundleRefused("there is no key for passes")
        board, over_at = Board(math.inf), []
        orders = {"policy": order_of_policy(policies[0], int(bundle.get("epoch", 0)))}
        for each in bundle["status_lists"]:
            number, claims = int(each["list"]), _claims(bundle["jwks"], tokens[each["list"]], each["uri"], now)
            orders[f"list/{number}"] = order = _order_of_list(claims, revision_of(each["etag"]))
            board.put(number, order[1], _packed(claims), _void(claims))
            over_at.append(datetime.fromtimestamp(claims["exp"], UTC))
        issued_at, expires_at = _moment(bundle["issued_at"]), min(_moment(bundle["expires_at"]), *over_at)
        as_of = min(_moment(bundle["board"]["as_of"]), issued_at)
        board.mark_complete(as_of.timestamp())
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, zlib.error) as error:
        raise BundleRefused(f"{type(error).__name__}: {error}") from None
    except (NotSigned, PolicyIncomplete) as error:
        raise BundleRefused(f"{type(error).__name__} {error}".strip()) from None
    lists = frozenset(board.revisions())
    return Knowledge(versions, key_ring, board, lists, policies, as_of, issued_at, expires_at, orders)


def order_of_policy(signed: SignedPolicy, epoch: int) -> Order:
    """The policy that takes effect later holds. Rolling back publishes old content under a new number."""
    return epoch, int(signed.effective_from.timestamp()), int(signed.issued_at.timestamp())


def _order_of_list(claims: Mapping[str, Any], revision: int) -> Order:
    """The order that a list states; its tag must agree. A list without a revision is read by its tag alone."""
    if claims.get("revision", revision) != revision:
        raise BundleRefused("a list has another revision than its tag")
    return int(claims.get("epoch", 0)), revision, int(claims["iat"]) if "iat" in claims else 0


def revision_of(etag: str) -> int:
    """`"1.17"`: list 1 at revision 17."""
    return int(etag.strip('"').partition(".")[2])


def moment_in(bundle: Mapping[str, Any], name: str) -> datetime:
    """A time that a bundle names. Raises `BundleRefused`."""
    try:
        return _moment(bundle[name])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleRefused(f"{name}: {type(error).__name__}") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise BundleRefused("a time is without its offset")
    return moment


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


def _policies(bundle: Mapping[str, Any], known: Keys | None) -> list[SignedPolicy]:
    keys = public_keys(bundle["policy_jwks"], POLICY) if known is None else known
    try:
        read = [read_signed_policy(token, keys) for token in (bundle["policy"], *bundle["upcoming_policies"])]
    except PolicyNotSigned:
        held = f"by none of the keys that this gate takes policies under ({', '.join(sorted(keys)) or 'there is none'})"
        raise BundleRefused(
            f"a policy is signed {held}; if the city has other keys now, start the gate with --policy-keys FILE"
        ) from None
    return sorted(read, key=lambda signed: signed.effective_from)


def _uri_start(lists: Sequence[Mapping[str, Any]]) -> str:
    """What the address of every list begins with."""
    starts = {each["uri"].removesuffix(f"/{each['list']}") for each in lists}
    if len(starts) != 1:
        raise BundleRefused("the lists have no address in common")
    return str(starts.pop())


def _claims(jwks: Mapping[str, Any], token: str, uri: str, now: datetime) -> dict[str, Any]:
    """Of a signed list (IETF Token Status List) for an address."""
    claims = read_signed(token, public_keys(jwks, STATUS_LIST), STATUS_LIST)
    if claims["sub"] != uri:
        raise BundleRefused("a list is signed for another address")
    if now.timestamp() >= claims["exp"]:
        raise BundleRefused("a list is over")
    return claims


def _void(claims: Mapping[str, Any]) -> array[int]:
    """The entries of a list whose passes are void; the claim is there where there are any."""
    void = array("I")
    if "void_entries" in claims:
        compressed = base64.b64decode(claims["void_entries"], validate=True)
        void.frombytes(zlib.decompressobj().decompress(compressed, _LIST_BYTES_MAX * 16))
    if sys.byteorder == "big":
        void.byteswap()
    return void


def _packed(claims: Mapping[str, Any]) -> bytes:
    """Two bits a person of a list."""
    if claims["status_list"]["bits"] != 2:
        raise BundleRefused("a list does not have two bits a person")
    text: str = claims["status_list"]["lst"]
    inflating = zlib.decompressobj()
    packed = inflating.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _LIST_BYTES_MAX)
    if inflating.unconsumed_tail:
        raise BundleRefused("a list is larger than any list")
    return packed
