"""The gate's line to its server; either there is an answer, or the server is away, or it refuses for good."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpx

_AWAY = frozenset({408, 425, 429, 500, 502, 503, 504})
_SCAN_S, _UPLOAD_S = 2.0, 30.0


_ANSWERED = frozenset(["scan_id", "decision", "colour", "refusal", "say", "policy_version"])


class Away(Exception):
    """The server did not answer, or not now."""


class Refused(Exception):
    """The server answers that it will not take this."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail = status, code, detail


class Link:
    """`is_open` False keeps the gate offline on purpose. After a failure the server is left alone for `pause_s`."""

    def __init__(
        self,
        server: str,
        token: str,
        *,
        is_open: bool = True,
        pause_s: float = 3.0,
        trust: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=server, headers=headers, timeout=_SCAN_S, verify=trust or True, transport=transport
        )
        self._is_open, self._pause_s = is_open, pause_s
        self._ask_after = 0.0

    def is_up(self) -> bool:
        """Whether it is worth asking now."""
        return self._is_open and time.monotonic() >= self._ask_after

    def scan(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises `Away`, `Refused`."""
        answer = self._ask("POST", "/v1/scans", json=body)
        if not answer.keys() >= _ANSWERED or answer["decision"] not in ("pass", "check", "stop"):
            raise self._away("no answer to a scan")
        return answer

    def batch(self, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Raises `Away`, `Refused`."""
        answer = self._ask("POST", "/v1/scans/batch", json={"scans": list(bodies)}, timeout=_UPLOAD_S)
        return self._results(answer)

    def register(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises `Away`, `Refused`."""
        return self._ask("POST", "/v1/registrations", json=body)

    def register_all(self, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Raises `Away`, `Refused`."""
        content = {"registrations": list(bodies)}
        return self._results(self._ask("POST", "/v1/registrations/batch", json=content, timeout=_UPLOAD_S))

    def bundle(self, checkpoint: str, etags: Iterable[str], nonce: str) -> dict[str, Any]:
        """Raises `Away`, `Refused`."""
        headers = {"If-None-Match": ", ".join(etags)}
        return self._ask(
            "GET", "/v1/bundle", params={"checkpoint": checkpoint, "nonce": nonce}, headers=headers, timeout=_UPLOAD_S
        )

    def close(self) -> None:
        self._http.close()

    def _ask(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        if not self._is_open:
            raise Away("offline on purpose")
        try:
            answer = self._http.request(method, path, **how)
            content = dict(answer.json())
        except (httpx.HTTPError, ValueError, TypeError) as error:
            raise self._away(type(error).__name__) from None
        if answer.status_code in _AWAY:
            raise self._away(str(answer.status_code))
        if answer.status_code != 200:
            raise Refused(answer.status_code, str(content.get("code")), str(content.get("detail")))
        self._ask_after = 0.0
        return content

    def _results(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Raises `Away` where what answers is not what it should be."""
        results = answer.get("results")
        if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
            raise self._away("no answer to a batch")
        return results

    def _away(self, why: str) -> Away:
        self._ask_after = time.monotonic() + self._pause_s
        return Away(why)
