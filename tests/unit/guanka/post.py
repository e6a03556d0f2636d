"""A gate in a folder of its own, a server that answers as it is told, and what was shown when."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from guanka.gate import Gate
from guanka.gate.link import Link
from guanka.gate.showing import Displayed, DisplayedForm, Show
from guanka.gate.waiting import GateMemory
from services.checkpoints.bundle_signing import BundleSigner

PLACE = "5d9b83a4-17fb-5ab2-adc4-90e50201323b"
NOW = datetime.now(UTC)
SIGNER = BundleSigner(bytes(32))
"""Signs the bundles of the tests' city."""
ANSWER = {
    "decision": "pass",
    "colour": "green",
    "refusal": None,
    "say": {"zh": "请通行。", "en": "Go ahead."},
    "policy_version": "default@1",
}


class Server:
    """Answers as it is told; `sent` is what came."""

    def __init__(self) -> None:
        self.status, self.problem = 200, ""
        self.sent: list[tuple[str, Any]] = []
        self.bundle: dict[str, Any] | None = None
        self.nonces: list[str] = []
        self.give: Callable[[dict[str, Any], str], object] = lambda bundle, nonce: SIGNER.signed(
            bundle | {"nonce": nonce}
        )
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda scan: ANSWER | {"scan_id": scan["scan_id"]}
        self.items: Callable[[dict[str, Any]], dict[str, Any]] = lambda scan: ANSWER | {"scan_id": scan["scan_id"]}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.status == 0:
            raise httpx.ConnectError("away")
        body = json.loads(request.content) if request.content else None
        self.sent.append((request.url.path, body))
        if self.status != 200:
            return httpx.Response(self.status, json={"code": self.problem, "detail": "No."})
        if request.url.path == "/v1/scans":
            return httpx.Response(200, json=self.answer(body))
        if request.url.path == "/v1/registrations":
            return httpx.Response(200, json=self.items(body))
        if request.url.path == "/v1/registrations/batch":
            return httpx.Response(200, json={"results": [self.items(form) for form in body["registrations"]]})
        if request.url.path == "/v1/scans/batch":
            return httpx.Response(200, json={"results": [self.items(scan) for scan in body["scans"]]})
        if request.url.path == "/v1/bundle" and self.bundle is not None:
            self.nonces.append(request.url.params["nonce"])
            return httpx.Response(200, json=self.give(self.bundle, self.nonces[-1]))
        return httpx.Response(404, json={"code": "checkpoint_not_found", "detail": "No."})

    def uploaded(self) -> list[dict[str, Any]]:
        return [scan for path, body in self.sent if path == "/v1/scans/batch" for scan in body["scans"]]

    def uploaded_forms(self) -> list[dict[str, Any]]:
        path = "/v1/registrations/batch"
        return [form for sent_to, body in self.sent if sent_to == path for form in body["registrations"]]


class Seen(Show):
    """What was shown; each time with what was on disk at that moment."""

    def __init__(self, memory: GateMemory) -> None:
        super().__init__(is_json=True)
        self._memory = memory
        self.decisions: list[Displayed] = []
        self.forms: list[DisplayedForm] = []
        self.refused: list[str] = []
        self.remarks: list[str] = []
        self.on_disk: list[object] = []

    def decision(self, shown: Displayed) -> None:
        self.decisions.append(shown)
        self.on_disk.append(self._kept("scan"))

    def registered(self, shown: DisplayedForm) -> None:
        self.forms.append(shown)
        self.on_disk.append(self._kept("form"))

    def _kept(self, table: str) -> list[object]:
        rows = self._memory._disk.read(f"SELECT offline FROM {table} ORDER BY number")  # noqa: S608 (our own names)
        return [offline and json.loads(offline) for (offline,) in rows]

    def refused_line(self, number: int, why: str) -> None:
        self.refused.append(f"{number}: {why}")

    def remark(self, text: str, *, style: str = "dim") -> None:
        self.remarks.append(text)


class Post:
    def __init__(self, folder: Path, **options: bool) -> None:
        self.folder = folder
        self.server = Server()
        self.start(**options)

    def start(self, **options: bool) -> None:
        self.memory = GateMemory(self.folder)
        self.show = Seen(self.memory)
        link = Link("http://server.test", "token", pause_s=0.0, transport=httpx.MockTransport(self.server))
        self.gate = Gate(PLACE, link, self.memory, self.show, **options)

    def fetch(self) -> None:
        self.gate.errands.bundles.fetch()

    def upload(self) -> None:
        self.gate.errands.upload()
