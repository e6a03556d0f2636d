"""Every domain error has its place in the one table."""

from __future__ import annotations

import inspect

from services.codes.api.problems import PROBLEMS
from services.codes.domain import errors


def test_every_domain_error_stands_in_the_table() -> None:
    defined = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}
    assert set(PROBLEMS) == defined
    assert all(400 <= status < 500 for status in PROBLEMS.values())


def test_every_domain_error_opens_with_what_the_caller_reads() -> None:
    for kind in PROBLEMS:
        first = (kind.__doc__ or "").splitlines()[0]
        assert first.endswith(".")
        assert len(first) > 20
