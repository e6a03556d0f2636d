"""What ledgers and their stages are called: the words of the ledger's definitions, by ledger, version and stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.console.domain.words import Label, unnamed


@dataclass(frozen=True, slots=True)
class StageTitle:
    stage: str
    label: Label


@dataclass(frozen=True, slots=True)
class DefinitionTitles:
    """One version of a ledger; `strength` orders ledgers, the strongest first."""

    ledger: str
    version: int
    valid_from: datetime
    strength: int
    label: Label
    stages: Sequence[StageTitle]


class Titles:
    """The words in force at `now`; a stage that only an earlier version has keeps that version's."""

    def __init__(self, definitions: Sequence[DefinitionTitles], now: datetime) -> None:
        # The latest version that is in force comes last and wins; one that is not yet in force loses to all.
        ordered = sorted(definitions, key=lambda each: (each.valid_from <= now, each.version))
        self._ledgers = {each.ledger: each for each in ordered}
        self._stages = {(each.ledger, stage.stage): stage.label for each in ordered for stage in each.stages}

    def ledgers(self) -> list[str]:
        """The strongest first."""
        return [each.ledger for each in sorted(self._ledgers.values(), key=lambda each: (-each.strength, each.ledger))]

    def of_ledger(self, ledger: str) -> Label:
        known = self._ledgers.get(ledger)
        return unnamed(ledger) if known is None else known.label

    def of_stage(self, ledger: str, stage: str) -> Label:
        return self._stages.get((ledger, stage)) or unnamed(stage)
