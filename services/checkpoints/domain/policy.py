"""A policy: what each outcome means at each kind of checkpoint, and the words for it; read complete or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from services.checkpoints.domain.errors import PolicyIncomplete
from services.checkpoints.domain.scans import KINDS, STRICTNESS, Colour, Decision, Refusal

Outcome = Colour | Refusal
OUTCOMES: tuple[Outcome, ...] = (*Colour, *Refusal)
STALE_S_MAX, EXPIRES_S_MAX = 86_400, 7 * 86_400
_TEXT_MAX = 300
_VERSION = re.compile(r"[a-z0-9-]{1,40}@[0-9]{1,9}")
_MEMBERS = frozenset(["policy", "kinds", "words", "offline"])
_KIND_MEMBERS = frozenset(["decisions", "compare", "words", "registration"])


@dataclass(frozen=True, slots=True)
class Say:
    """Words to show and say."""

    zh: str
    en: str


SINCE: Mapping[Outcome, tuple[Decision, Say]] = {
    Refusal.CLOCK_OFF: (
        Decision.CHECK,
        Say(
            "本闸机时钟不准，请人工核验，并校准时钟。",
            "This gate's clock is wrong. Check by hand, and set the clock.",
        ),
    ),
}
"""Outcomes that came after policies were signed: what holds where a policy says nothing of them."""


class Shown(StrEnum):
    """What a person showed at the gate, where a policy tells the guard to compare it with the person."""

    SHOWN_PASS = "shown_pass"  # noqa: S105
    PRINTED_PASS = "printed_pass"  # noqa: S105
    DOCUMENT = "document"


class RegistrationOutcome(StrEnum):
    """What registering somebody in place comes to."""

    REGISTERED = "registered"
    FEVER = "fever"


@dataclass(frozen=True, slots=True)
class RegistrationRule:
    """What the guard does with a person who was registered in place."""

    decisions: Mapping[RegistrationOutcome, Decision]
    words: Mapping[RegistrationOutcome, Say]


@dataclass(frozen=True, slots=True)
class KindPolicy:
    """The policy of one kind of checkpoint: every outcome has a decision, and words.

    `compares` holds what the guard compares with the masked name and the end of the document, and at which outcome;
    `registration` is there where people without a code are registered in place.
    """

    version: str
    decisions: Mapping[Outcome, Decision]
    words: Mapping[Outcome, Say]
    compares: frozenset[tuple[Shown, Outcome]] = frozenset()
    registration: RegistrationRule | None = None

    def strictest(self, outcomes: list[Outcome]) -> Outcome:
        """The outcome with the strictest decision; of equals the first."""
        return max(outcomes, key=lambda outcome: STRICTNESS[self.decisions[outcome]])


@dataclass(frozen=True, slots=True)
class OfflineRule:
    """How old a bundle may be before its colours count as stale, and before a gate may not decide with it at all."""

    stale_after: timedelta
    expires_after: timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """`version` is the identifier with version, such as `default@1`; `kinds` has all ten."""

    version: str
    kinds: Mapping[str, KindPolicy]
    offline: OfflineRule

    def words(self, kind: str, colour: Colour, refusal: Refusal | None) -> Say:
        return self.kinds[kind].words[colour if refusal is None else refusal]


@dataclass(frozen=True, slots=True)
class SignedPolicy:
    """A policy as it was signed: in force from `effective_from` on, until a later one is. `token` is the JWS."""

    policy: Policy
    document: Mapping[str, Any]
    issued_at: datetime
    effective_from: datetime
    token: str

    def says_the_same(self, other: SignedPolicy) -> bool:
        """Whether both mean the same under the same version; a signature differs each time it is made."""
        return (self.document, self.effective_from) == (other.document, other.effective_from)


def read_policy(document: Mapping[str, Any]) -> Policy:
    """The policy of a JSON document. Raises `PolicyIncomplete` that names everything that is missing or wrong."""
    gaps: list[str] = []
    version = document.get("policy")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        gaps.append("policy: must read like default@1")
    gaps += [f"{name}: is not known here" for name in sorted(set(document) - _MEMBERS)]
    kinds, words = _object(document, "kinds", gaps), _object(document, "words", gaps)
    gaps += [f"words.{name}: is no outcome" for name in sorted(set(words) - set(OUTCOMES))]
    gaps += [f"kinds.{name}: is no kind of checkpoint" for name in sorted(set(kinds) - set(KINDS))]
    read = {kind: _kind_policy(str(version), kind, kinds.get(kind), words, gaps) for kind in KINDS}
    offline = _offline_rule(document.get("offline"), gaps)
    if gaps:
        raise PolicyIncomplete(gaps)
    return Policy(str(version), read, offline)


def _object(document: Mapping[str, Any], name: str, gaps: list[str]) -> Mapping[str, Any]:
    given = document.get(name, {})
    if isinstance(given, Mapping):
        return given
    gaps.append(f"{name}: must be an object")
    return {}


def _kind_policy(version: str, kind: str, given: object, shared: Mapping[str, Any], gaps: list[str]) -> KindPolicy:
    if not isinstance(given, Mapping):
        gaps.append(f"kinds.{kind}: is missing")
        return KindPolicy(version, {}, {})
    gaps += [f"kinds.{kind}.{name}: is not known here" for name in sorted(set(given) - _KIND_MEMBERS)]
    written = _object(given, "decisions", gaps)
    gaps += [f"kinds.{kind}.decisions.{name}: is no outcome" for name in sorted(set(written) - set(OUTCOMES))]
    own_words = _object(given, "words", gaps)
    gaps += [f"kinds.{kind}.words.{name}: is no outcome" for name in sorted(set(own_words) - set(OUTCOMES))]
    decisions: dict[Outcome, Decision] = {}
    words: dict[Outcome, Say] = {}
    for outcome in OUTCOMES:
        if outcome in SINCE and outcome.value not in written:
            decisions[outcome], words[outcome] = SINCE[outcome]
            continue
        if written.get(outcome.value) not in tuple(Decision):
            gaps.append(f"kinds.{kind}.decisions.{outcome.value}: must be pass, check or stop")
            continue
        decisions[outcome] = Decision(written[outcome.value])
        words[outcome] = _words(kind, outcome, decisions[outcome], own_words, shared, gaps)
    registration = _registration(kind, given.get("registration"), gaps)
    return KindPolicy(version, decisions, words, _compares(kind, given.get("compare"), gaps), registration)


def _words(
    kind: str,
    outcome: Outcome,
    decision: Decision,
    own: Mapping[str, Any],
    shared: Mapping[str, Any],
    gaps: list[str],
) -> Say:
    """The kind's own words where it has some, else those that all kinds share for this outcome and decision."""
    by_decision = shared.get(outcome.value)
    said = own.get(outcome.value, by_decision.get(decision.value) if isinstance(by_decision, Mapping) else None)
    return _say(said, f"words.{outcome.value}.{decision.value} (for {kind})", gaps)


def _say(said: object, at: str, gaps: list[str]) -> Say:
    zh, en = (said.get("zh"), said.get("en")) if isinstance(said, Mapping) else (None, None)
    if isinstance(zh, str) and isinstance(en, str) and 0 < min(len(zh), len(en)) <= max(len(zh), len(en)) <= _TEXT_MAX:
        return Say(zh, en)
    gaps.append(f"{at}: zh and en are both needed")
    return Say("", "")


def _registration(kind: str, given: object, gaps: list[str]) -> RegistrationRule | None:
    if given is None:
        return None
    at = f"kinds.{kind}.registration"
    if not isinstance(given, Mapping) or set(given) != {"decisions", "words"}:
        gaps.append(f"{at}: decisions and words are needed, and nothing else")
        return None
    decisions, words = _object(given, "decisions", gaps), _object(given, "words", gaps)
    known = {outcome.value for outcome in RegistrationOutcome}
    gaps += [f"{at}.{name}: is no outcome of a registration" for name in sorted((set(decisions) | set(words)) - known)]
    wrong = [outcome for outcome in RegistrationOutcome if decisions.get(outcome.value) not in tuple(Decision)]
    gaps += [f"{at}.decisions.{outcome.value}: must be pass, check or stop" for outcome in wrong]
    said = {each: _say(words.get(each.value), f"{at}.words.{each.value}", gaps) for each in RegistrationOutcome}
    if wrong:
        return None
    return RegistrationRule({each: Decision(decisions[each.value]) for each in RegistrationOutcome}, said)


def _compares(kind: str, given: object, gaps: list[str]) -> frozenset[tuple[Shown, Outcome]]:
    if given is None:
        return frozenset()
    at = f"kinds.{kind}.compare"
    if not isinstance(given, Mapping) or set(given) != {"credentials", "outcomes"}:
        gaps.append(f"{at}: credentials and outcomes are needed, and nothing else")
        return frozenset()
    credentials = _listed(given["credentials"], tuple(Shown), f"{at}.credentials", gaps)
    outcomes = _listed(given["outcomes"], OUTCOMES, f"{at}.outcomes", gaps)
    return frozenset((Shown(shown), outcome) for shown in credentials for outcome in outcomes)


def _listed(given: object, known: Sequence[Any], at: str, gaps: list[str]) -> list[Any]:
    """The members of `known` that are named in a list."""
    if not isinstance(given, list) or not all(each in known for each in given):
        gaps.append(f"{at}: must be a list of {', '.join(known)}")
        return []
    return [each for each in known if each in given]


def _offline_rule(given: object, gaps: list[str]) -> OfflineRule:
    seconds = given if isinstance(given, Mapping) and set(given) == {"stale_s", "expires_s"} else {}
    for name, most in (("stale_s", STALE_S_MAX), ("expires_s", EXPIRES_S_MAX)):
        value = seconds.get(name)
        if type(value) is not int or not 1 <= value <= most:
            gaps.append(f"offline.{name}: must be whole seconds from 1 to {most}")
            return OfflineRule(timedelta(0), timedelta(0))
    return OfflineRule(timedelta(seconds=seconds["stale_s"]), timedelta(seconds=seconds["expires_s"]))
