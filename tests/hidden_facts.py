"""Walks the endpoints of a service as bearers who may not read a fact, once about it and once about nothing.

Where either answer is a refusal, both must be the same: else the refusal tells that the fact is there.

Identifiers that a caller chooses (`scan_id`, `entry_id`, `evidence_id`, `checkpoint_id` …) are left out: that one is
taken is no secret to whoever holds it, and those of records have 122 random bits that nobody guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient

from chassis.auth import ROLES

Named = Mapping[str, Any]
"""What stands for the fact: identifiers by name, of something hidden or of nothing."""


@dataclass(frozen=True)
class Probe:
    """One way to ask at an endpoint: the names fill in its `path`, and make `body` and `query`."""

    method: str
    path: str
    body: Callable[[Named], Any] | None = None
    query: Callable[[Named], Mapping[str, str]] = field(default=lambda _: {})

    @property
    def endpoint(self) -> tuple[str, str]:
        return self.method, self.path


def endpoints(client: TestClient) -> set[tuple[str, str]]:
    """(method, path) of everything that the service describes."""
    paths = client.get("/openapi.json").json()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def bearers(areas: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Every role with every area."""
    return ((role, area) for role in sorted(ROLES) for area in areas)


def same_refusal(client: TestClient, probe: Probe, headers: Mapping[str, str], hidden: Named, nothing: Named) -> int:
    """Asserts that the two answers do not differ where one refuses; the status about what is hidden."""
    answers = [_ask(client, probe, headers, names) for names in (hidden, nothing)]
    if any(status >= 400 for status, _ in answers):
        assert answers[0] == answers[1], (probe.endpoint, answers)
    return answers[0][0]


def _ask(client: TestClient, probe: Probe, headers: Mapping[str, str], names: Named) -> tuple[int, str]:
    """Status and body, in which the names that the caller wrote stand as their kind."""
    answer = client.request(
        probe.method,
        probe.path.format(**names),
        json=None if probe.body is None else probe.body(names),
        params=probe.query(names),
        headers=dict(headers),
    )
    body = answer.text
    for name, value in names.items():
        body = body.replace(str(value), f"<{name}>")
    return answer.status_code, body
