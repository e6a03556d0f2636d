"""The table of faults, printed at the end of a run of the tests."""

from __future__ import annotations

import pytest

from tests.faults.table import Table

_TABLE = Table()


@pytest.fixture(scope="session")
def table() -> Table:
    return _TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _TABLE.rows:
        terminalreporter.section("faults under load: the last four columns must be 0")
        for line in _TABLE.lines():
            terminalreporter.write_line(line)
