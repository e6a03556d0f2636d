"""Which HTTP status each domain error has: the one place that knows both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.problems import Problem, StatusTelling, domain_problem
from services.checkpoints.attempts import FieldError
from services.checkpoints.domain import errors

PROBLEMS: dict[type[Exception], int] = {
    errors.CheckpointNotFound: 404,
    errors.CheckpointRegisteredOtherwise: 409,
    errors.CheckpointRefused: 403,
    errors.VenueNotFound: 404,
    errors.NotTheHolder: 403,
    errors.ScanIdReused: 409,
    errors.StoreUnavailable: 503,
    errors.Overloaded: 503,
    errors.AreaUnknown: 422,
    errors.PolicyIncomplete: 422,
    errors.PolicyNotSigned: 422,
    errors.PolicyMisdated: 422,
    errors.PolicyPublishedOtherwise: 409,
    errors.PolicyNotFound: 404,
    errors.BundleNotReady: 503,
    errors.ReuseRuleIncomplete: 500,
    errors.TracingRuleIncomplete: 500,
    errors.TraceNotFound: 404,
    errors.TraceAskedOtherwise: 409,
    errors.TraceNotHeld: 409,
    errors.SecondPersonNeeded: 403,
    errors.RequesterUnknown: 403,
    errors.CursorMalformed: 422,
    errors.ChangeRefused: 409,
    errors.RegistrationNotDoneHere: 409,
    errors.RegistrationIdReused: 409,
    errors.RegistrationNotFound: 404,
    errors.VersionStale: 412,
    errors.DeviceNotFound: 404,
    errors.DeviceRegisteredOtherwise: 409,
    errors.ReadingIdReused: 409,
    errors.MeasurementCaseNotFound: 404,
    errors.FeverClinicNotFound: 422,
    errors.PersonUnknown: 422,
    errors.StepRefused: 409,
    errors.ShiftNotFound: 404,
    errors.ShiftOnDutyAlready: StatusTelling(409, "shift_id"),
    errors.ShiftIdReused: 409,
    errors.ShiftSignedOff: 409,
    errors.VenueUnknown: 404,
    errors.VenueRefused: 403,
    errors.RevisionStale: 412,
}


def problem_of(error: Exception) -> Problem | None:
    """The problem document of an error that a caller may read; None for any other."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, FieldError):
        named = {"field": error.field, "message": error.message}
        return Problem(422, "invalid_request", f"The request is not valid: {error.field}.", errors=[named])
    status = PROBLEMS.get(type(error))
    if status is None:
        return None
    retry_after_s = getattr(error, "retry_after_s", None) or 1
    headers = {"Retry-After": str(retry_after_s)} if status == 503 else None
    return domain_problem(error, status, headers=headers)


@contextmanager
def naming(field: str) -> Iterator[None]:
    """What is refused inside names which of many it was, unless it names a field already."""
    try:
        yield
    except Exception as error:
        problem = problem_of(error)
        if problem is None or problem.errors:
            raise
        named = {"field": field, "message": problem.detail}
        raise Problem(problem.status, problem.code, problem.detail, errors=[named], members=problem.members) from None
