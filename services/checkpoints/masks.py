"""The masked name and the end of the document, where a policy tells the guard to compare; fetched after the append.

The scan is recorded and decided when this is asked: whatever happens here, the answer is never laxer, it only lacks
`person`. codes is given half a second, and is left alone for a moment after it could not answer.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
import structlog

from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.policy import Outcome, Shown
from services.checkpoints.domain.scans import Attempt, Checkpoint, Colour, Entry, Refusal

log = structlog.get_logger("masks")

_TIMEOUT_S, _PAUSE_S = 0.5, 2.0
PEOPLE_MAX = 1000

Answer = dict[str, Any]
Answered = tuple[Attempt, Checkpoint, Answer]
"""A scan, where it was taken, and what is answered to it (`person` is added to that)."""


class KeyRing(Protocol):
    def read(self, token: str, at: datetime) -> ReadPass | Refusal: ...

    def shown_by(self, token: str) -> Shown | None: ...

    def entry_in(self, token: str) -> Entry | None: ...


class Policies(Protocol):
    def compares(self, kind: str, version: str) -> frozenset[tuple[Shown, Outcome]]: ...


class Masks:
    def __init__(
        self,
        url: str,
        token_file: Path,
        *,
        key_ring: KeyRing,
        policies: Policies,
        trust: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url, self._token_file, self._transport = url, token_file, transport
        self._trust = trust or True
        self._key_ring, self._policies = key_ring, policies
        self._http: httpx.AsyncClient | None = None
        self._ask_after = 0.0

    def is_wanted(self, attempt: Attempt, checkpoint: Checkpoint, answer: Answer) -> bool:
        """Whether the guard compares this person."""
        return self._wanted(attempt, checkpoint, answer) is not None

    async def add_persons(self, answered: Sequence[Answered], asked_by: str) -> None:
        """Put `person` into the answers of those whom the guard compares, as far as codes can say who they are."""
        wanted = []
        for attempt, checkpoint, answer in answered:
            person = self._wanted(attempt, checkpoint, answer)
            if person is not None:
                wanted.append((answer, person))
        for start in range(0, len(wanted), PEOPLE_MAX):
            part = wanted[start : start + PEOPLE_MAX]
            for (answer, _), mask in zip(part, await self._ask([person for _, person in part], asked_by), strict=True):
                if mask is not None:
                    answer["person"] = mask

    def _wanted(self, attempt: Attempt, checkpoint: Checkpoint, answer: Answer) -> Answer | None:
        """How codes is asked for the person; None where the policy asks for no comparison, or nobody is known."""
        compares = self._policies.compares(checkpoint.kind, answer["policy_version"])
        if not compares:
            return None
        token = attempt.token
        shown = Shown.DOCUMENT if token is None else self._key_ring.shown_by(token)
        outcome: Outcome = Colour(answer["colour"]) if answer["refusal"] is None else Refusal(answer["refusal"])
        if shown is None or (shown, outcome) not in compares:
            return None
        if token is None:
            return None if attempt.person_ref is None else {"person_ref": str(attempt.person_ref)}
        if self._key_ring.read(token, attempt.scanned_at) is Refusal.PASS_FORGED:
            return None  # whoever made it must not learn whose place on the list he guessed, whatever a policy says
        entry = self._key_ring.entry_in(token)
        return None if entry is None else {"list": entry.list, "idx": entry.idx}

    async def _ask(self, people: list[Answer], asked_by: str) -> list[Answer | None]:
        nobody: list[Answer | None] = [None] * len(people)
        if time.monotonic() < self._ask_after:
            return nobody
        try:
            token = self._token_file.read_text().strip()
            answer = await self._client().post(
                "/v1/masks",
                json={"people": people, "asked_by": asked_by},
                headers={"Authorization": f"Bearer {token}"},
            )
            answer.raise_for_status()
            masks: list[Answer | None] = answer.json()["masks"]
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("codes cannot say whom to compare with", error=type(error).__name__)
            self._ask_after = time.monotonic() + _PAUSE_S
            return nobody
        return masks if len(masks) == len(people) else nobody

    def _client(self) -> httpx.AsyncClient:
        """Made on the event loop that uses it."""
        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self._url, timeout=_TIMEOUT_S, verify=self._trust, transport=self._transport
            )
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None
