"""A policy: what each outcome means at each kind of checkpoint, and the words for it; read complete or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.checkpoints.domain.errors import PolicyIncomplete
from services.checkpoints.domain.scans import KINDS, STRICTNESS, Colour, Decision, Refusal

Outcome = Colour | Refusal
OUTCOMES: tuple[Outcome, ...] = (*Colour, *Refusal)
_VERSION = re.compile(r"[a-z0-9-]{1,40}@[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Say:
    """Words to show and say."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class KindPolicy:
    """The policy of one kind of checkpoint: every outcome has a decision, and words."""

    version: str
    decisions: Mapping[Outcome, Decision]
    words: Mapping[Outcome, Say]

    def strictest(self, outcomes: list[Outcome]) -> Outcome:
        """The outcome with the strictest decision; of equals the first."""
        return max(outcomes, key=lambda outcome: STRICTNESS[self.decisions[outcome]])


@dataclass(frozen=True, slots=True)
class Policy:
    """`version` is the identifier with version, such as `default@1`; `kinds` has all ten."""

    version: str
    kinds: Mapping[str, KindPolicy]

    def words(self, kind: str, colour: Colour, refusal: Refusal | None) -> Say:
        return self.kinds[kind].words[colour if refusal is None else refusal]


def read_policy(document: Mapping[str, Any]) -> Policy:
    """The policy of a JSON document. Raises `PolicyIncomplete` that names what is missing."""
    version = str(document.get("policy", ""))
    if not _VERSION.fullmatch(version):
        raise PolicyIncomplete("policy: must read like default@1")
    kinds = document.get("kinds", {})
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise PolicyIncomplete(f"kinds: {', '.join(unknown)} is no kind of checkpoint")
    return Policy(version, {kind: _kind_policy(version, kind, kinds.get(kind, {}), document) for kind in KINDS})


def _kind_policy(version: str, kind: str, given: Mapping[str, Any], document: Mapping[str, Any]) -> KindPolicy:
    unknown = sorted(set(given.get("decisions", {})) - set(OUTCOMES))
    if unknown:
        raise PolicyIncomplete(f"kinds.{kind}.decisions: {', '.join(unknown)} is no outcome")
    decisions = {outcome: _decision(kind, outcome, given) for outcome in OUTCOMES}
    words = {outcome: _words(kind, outcome, decisions[outcome], given, document) for outcome in OUTCOMES}
    return KindPolicy(version, decisions, words)


def _decision(kind: str, outcome: Outcome, given: Mapping[str, Any]) -> Decision:
    try:
        return Decision(given["decisions"][outcome.value])
    except (KeyError, ValueError):
        raise PolicyIncomplete(f"kinds.{kind}.decisions.{outcome.value}: must be pass, check or stop") from None


def _words(
    kind: str, outcome: Outcome, decision: Decision, given: Mapping[str, Any], document: Mapping[str, Any]
) -> Say:
    """The kind's own words where it has some, else those that all kinds share for this outcome and decision."""
    shared = document.get("words", {}).get(outcome.value, {}).get(decision.value, {})
    said = given.get("words", {}).get(outcome.value, shared)
    if not said.get("zh") or not said.get("en"):
        raise PolicyIncomplete(f"words.{outcome.value}.{decision.value} (for {kind}): zh and en are both needed")
    return Say(said["zh"], said["en"])
