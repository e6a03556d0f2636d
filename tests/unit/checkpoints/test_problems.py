"""Every domain error has a status, and a first line that a caller can read."""

from __future__ import annotations

import inspect

from chassis.problems import first_line
from services.checkpoints.api.problems import PROBLEMS, problem_of
from services.checkpoints.domain import errors


def test_every_domain_error_stands_in_the_table():
    declared = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}
    assert declared == set(PROBLEMS)


def test_every_domain_error_says_what_the_matter_is():
    assert all(first_line(kind).endswith(".") for kind in PROBLEMS)


def test_trouble_of_the_store_asks_to_come_again():
    problem = problem_of(errors.StoreUnavailable())
    assert problem is not None
    assert (problem.status, problem.code, dict(problem.headers or {})) == (
        503,
        "store_unavailable",
        {"Retry-After": "1"},
    )


def test_what_no_caller_may_read_has_no_problem_document():
    assert problem_of(KeyError("x")) is None
