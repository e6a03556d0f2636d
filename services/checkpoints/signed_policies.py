"""A policy as it is published: a compact JWS of its document, its version, and from when it is in force."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.checkpoints.domain.errors import PolicyIncomplete, PolicyNotSigned
from services.checkpoints.domain.policy import SignedPolicy, read_policy
from services.checkpoints.signed import POLICY, Keys, NotSigned, read_signed, sign

_CLAIMS = {"version", "policy", "iat", "effective_from"}


def read_signed_policy(token: str, keys: Keys) -> SignedPolicy:
    """Raises `PolicyNotSigned`, `PolicyIncomplete`."""
    try:
        claims = read_signed(token, keys, POLICY)
    except NotSigned:
        raise PolicyNotSigned() from None
    if set(claims) != _CLAIMS or not isinstance(claims["policy"], Mapping):
        raise PolicyIncomplete([f"the claims must be {', '.join(sorted(_CLAIMS))}"])
    document = claims["policy"]
    policy = read_policy(document)
    if claims["version"] != policy.version:
        raise PolicyIncomplete([f"version: must be the document's own, {policy.version}"])
    issued_at, effective_from = _moment(claims, "iat"), _moment(claims, "effective_from")
    return SignedPolicy(policy, document, issued_at, effective_from, token)


def sign_policy(
    document: Mapping[str, Any], *, kid: str, private_key: Any, now: datetime, effective_from: datetime
) -> str:
    """The policy signed, in force from a moment on (whole seconds)."""
    claims = {
        "version": document["policy"],
        "policy": dict(document),
        "iat": int(now.timestamp()),
        "effective_from": int(effective_from.timestamp()),
    }
    return sign(claims, typ=POLICY, kid=kid, private_key=private_key)


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    """A NumericDate in whole seconds."""
    value = claims[name]
    try:
        if type(value) is not int:
            raise ValueError
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise PolicyIncomplete([f"{name}: must be a moment in whole seconds since 1970"]) from None
