"""What can go wrong in codes; the first line of each docstring is what the caller reads."""

from __future__ import annotations

from collections.abc import Sequence


class PersonNotFound(Exception):
    """Nobody is enrolled under this reference."""


class PersonDead(Exception):
    """The person's death is recorded: no pass or declaration is taken until the authority corrects it in the ledger."""


class StatusListNotFound(Exception):
    """There is no status list of this number."""


class EvidenceKindRefused(Exception):
    """Evidence of this kind comes from the ledger alone; record there what happened."""


class EvidenceConflict(Exception):
    """An evidence_id was given before with other content; nothing of the request was recorded."""

    def __init__(self, evidence_ids: Sequence[str]) -> None:
        named = ", ".join(evidence_ids[:10])
        super().__init__(f"Given before with other content: {named}. Nothing of the request was recorded.")


class InvalidRuleSet(Exception):
    """The rule set cannot be used."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(["The rule set cannot be used:", *(f"  {problem}" for problem in problems)]))
        self.problems = tuple(problems)
