"""The HTTP client of codes: its standings and its keys. Never used on the scan path."""

from __future__ import annotations

import base64
import ssl
import zlib
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt

_LIST_SIZE_MAX = 1 << 24


class CodesUnavailable(Exception):
    """codes did not answer, or not with what its contract says."""


@dataclass(frozen=True, slots=True)
class StandingList:
    """A list as codes holds it: `packed` two bits a person; `idx` and `person_refs` (16 bytes each) its holders; `void`
    the entries whose passes are void."""

    list: int
    revision: int
    packed: bytes
    idx: array[int]
    person_refs: bytes
    void: array[int] = field(default_factory=lambda: array("I"))


@dataclass(frozen=True, slots=True)
class StatusList:
    """A signed status list at a revision, with the ETag under which codes knows it; `epoch` stands before revisions."""

    etag: str
    revision: int
    token: str
    epoch: int = 0

    def order(self) -> tuple[int, int]:
        return self.epoch, self.revision


class CodesClient:
    def __init__(
        self,
        url: str,
        token_file: Path,
        *,
        trust: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._token_file = token_file
        timeout = httpx.Timeout(15.0, connect=2.0)
        self._http = httpx.Client(base_url=url, timeout=timeout, verify=trust or True, transport=transport)

    def revisions(self) -> dict[int, int]:
        """Every list's revision."""
        try:
            return {int(each["list"]): int(each["revision"]) for each in self._get("/v1/standings")["lists"]}
        except (KeyError, TypeError, ValueError) as error:
            raise CodesUnavailable(type(error).__name__) from None

    def standing_list(self, number: int, *, has_persons: bool) -> StandingList:
        """One list, on request with its holders (17 MB a full list)."""
        answer = self._get(f"/v1/standings/{number}" + ("?persons=true" if has_persons else ""))
        try:
            packed = _inflated(answer["colours"])
            size = int(answer["size"])
            if not 0 < size <= _LIST_SIZE_MAX or len(packed) * 4 != size:
                raise ValueError("size")
            idx = array("I")
            if has_persons:
                idx.frombytes(_inflated(answer["idx"]))
            person_refs = _inflated(answer["person_refs"]) if has_persons else b""
            if len(idx) * 16 != len(person_refs):
                raise ValueError("person_refs")
            void = array("I")
            void.frombytes(_inflated(answer["void"]) if "void" in answer else b"")
            if any(entry >= size for entry in void):
                raise ValueError("void")
            return StandingList(number, int(answer["revision"]), packed, idx, person_refs, void)
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise CodesUnavailable(type(error).__name__) from None

    def status_list(self, number: int, etag: str | None) -> StatusList | None:
        """The signed list as codes gives it to everybody; None while it is still what the ETag names."""
        headers = {} if etag is None else {"If-None-Match": etag}
        try:
            answer = self._http.get(f"/v1/status-lists/{number}", headers=headers)
            if answer.status_code == 304:
                return None
            answer.raise_for_status()
            given = answer.headers["etag"]
            return StatusList(given, int(given.strip('"')), answer.text, _epoch_in(answer.text))
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise CodesUnavailable(type(error).__name__) from None

    def jwks(self) -> dict[str, Any]:
        return self._get("/.well-known/jwks.json")

    def close(self) -> None:
        self._http.close()

    def _get(self, path: str) -> dict[str, Any]:
        try:
            token = self._token_file.read_text().strip()
            answer = self._http.get(path, headers={"Authorization": f"Bearer {token}"})
            answer.raise_for_status()
            body = answer.json()
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise CodesUnavailable(type(error).__name__) from None
        if not isinstance(body, dict):
            raise CodesUnavailable("the answer is no object")
        return body


def _epoch_in(token: str) -> int:
    """The epoch that the list states, unverified: gates check the signature before they believe it."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise ValueError(type(error).__name__) from None
    return int(claims.get("epoch", 0))


def _inflated(text: str) -> bytes:
    """Zlib in base64, at most what the largest list can hold."""
    inflating = zlib.decompressobj()
    raw = inflating.decompress(base64.b64decode(text, validate=True), _LIST_SIZE_MAX * 16)
    if inflating.unconsumed_tail:
        raise ValueError("larger than any list")
    return raw
