"""Whether checkpoints' board is what codes has: its hash against one made of codes' own standings."""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

import httpx

from guanka.installation import trust_in

_LOOKS_MAX = 5


@dataclass(frozen=True, slots=True)
class Proof:
    """`is_same` is None while the lists change faster than both can be read."""

    lists: int
    hash: str
    is_same: bool | None


def prove_board(*, codes: str, checkpoints: str, token: str) -> Proof:
    """Compare the two at the same revisions; `token` is a service's that may read standings.

    Raises `httpx.HTTPError` when one of them does not answer, `KeyError` for a process that holds no board.
    """
    headers = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=codes, headers=headers, timeout=30, verify=trust_in(codes)) as issuer,
        httpx.Client(base_url=checkpoints, timeout=30, verify=trust_in(checkpoints)) as gatekeeper,
    ):
        for _ in range(_LOOKS_MAX):
            revisions, expected = _fold(issuer)
            board = gatekeeper.get("/readyz").json()["checks"]["board"]["detail"]
            if {int(number): revision for number, revision in board["lists"].items()} == revisions:
                return Proof(len(revisions), board["hash"], board["hash"] == expected)
    return Proof(len(revisions), board["hash"], None)


def _fold(issuer: httpx.Client) -> tuple[dict[int, int], str]:
    """The revisions of codes' lists, and SHA-256 over the digests of all, as docs/operations.md describes it."""
    revisions, digests = {}, []
    for number in sorted(each["list"] for each in _json(issuer, "/v1/standings")["lists"]):
        standing = _json(issuer, f"/v1/standings/{number}")
        packed = zlib.decompress(base64.b64decode(standing["colours"]))
        revisions[number] = standing["revision"]
        stated = number.to_bytes(4, "big") + standing["revision"].to_bytes(8, "big")
        digests.append(hashlib.sha256(stated + packed).digest())
    return revisions, hashlib.sha256(b"".join(digests)).hexdigest()


def _json(client: httpx.Client, path: str) -> Any:
    return client.get(path).raise_for_status().json()
