"""Why the ledger says no; the first line of each docstring is what the caller reads."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID


class LedgerNotFound(Exception):
    """There is no ledger of that name; GET /v1/ledgers lists them."""


class EntryNotFound(Exception):
    """There is no entry with that identifier."""


class PersonNotFound(Exception):
    """The ledger holds nothing about that person."""


class EntryAlreadyOpen(Exception):
    """The person has an open entry in that ledger or a stronger one already; move it instead of opening another."""

    def __init__(self, entry_id: UUID, ledger: str) -> None:
        super().__init__(f"The person has the open entry {entry_id} in the ledger {ledger} already; move it instead.")
        self.entry_id = entry_id


class NothingToCorrect(Exception):
    """The name and the phone that you wrote are those that stand; nothing was changed."""


class AlreadyOpen(Exception):
    """Somebody is responsible for this person already, outside your area; nothing was opened."""


class PersonDead(Exception):
    """The person's death is recorded; correct it at the entry that records it before you open another."""


class EntryIdTaken(Exception):
    """The entry_id was used before for another opening; send a new one."""


class TaskNotFound(Exception):
    """There is no task with that identifier."""


class TaskCompletedAlready(Exception):
    """The task was completed before, with another outcome or by another version."""


class MoveRefused(Exception):
    """The entry's stage does not allow the move."""

    def __init__(self, move: str, stage: str, allowed: Collection[str], *, because: str = "") -> None:
        moves = f"the moves allowed there are {', '.join(sorted(allowed))}" if allowed else "it is closed"
        super().__init__(because or f"The entry is at the stage {stage}, which does not allow {move}; {moves}.")


class VersionStale(Exception):
    """This has changed since the version you expected; read it again."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"You expected version {expected}, it is at version {actual}; read it again.")


class RoleRefused(Exception):
    """The ledger's definition does not let your role do this."""

    def __init__(self, roles: Collection[str]) -> None:
        super().__init__(f"The ledger's definition keeps this to the roles {', '.join(sorted(roles)) or '(none)'}.")


class InvalidRequest(Exception):
    """A field of the request is not as it must be."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(f"The request is not valid: {', '.join(field for field, _ in errors)}.")
        self.errors = errors
