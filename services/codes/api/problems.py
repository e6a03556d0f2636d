"""Which domain error is which HTTP status, and problems that name a field."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.problems import Problem
from services.codes.domain.bounds import Misplaced
from services.codes.domain.errors import (
    EvidenceConflict,
    EvidenceKindRefused,
    InvalidRuleSet,
    PersonDead,
    PersonNotFound,
    StatusListNotFound,
)

PROBLEMS: dict[type[Exception], int] = {
    PersonNotFound: 404,
    StatusListNotFound: 404,
    EvidenceConflict: 409,
    PersonDead: 409,
    EvidenceKindRefused: 422,
    InvalidRuleSet: 422,
}


def refuse_fields(errors: Sequence[Misplaced]) -> None:
    """Raises a `Problem` that names the fields at fault, when there are any."""
    if errors:
        named = ", ".join(field for field, _ in errors[:5])
        listed = [{"field": field, "message": message} for field, message in errors[:50]]
        raise Problem(422, "invalid_request", f"The request is not valid: {named}.", errors=listed)
