"""A few seconds of load through the real thing, with the count afterwards; long runs are `make load`."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from chassis.ids import uuid7
from loadtests.bench_storm import Storms
from loadtests.journal import read_journals
from loadtests.reckoning import reckon
from loadtests.run import order_of, run
from loadtests.stack import LoadStack, load_stack


@pytest.mark.timeout(600)
def test_a_tiny_load_by_two_workers_comes_out_even_and_what_would_not_is_seen(tmp_path: Path) -> None:
    order = order_of({"SHAPE": "peak", "USERS": "60", "SECONDS": "2", "PEOPLE": "1000", "WORKERS": "2"})
    with load_stack(order.people, events="local", settings={}, seed=1) as stack:
        figures, checks = run(stack, order, Console(quiet=True), tmp_path)
        counts = {figures[name] for name in ("offered", "acknowledged", "stored", "told")}
        assert len(counts) == 1
        assert counts.pop() > 120
        assert all(holds for name, holds in checks.items() if not name.endswith("ms_within_budget")), checks

        written = read_journals(stack.home.path / "load" / f"part-{part}" for part in range(2))
        known, more = next(iter(written.acknowledged)), uuid7().bytes
        assert not reckon(stack, written.acknowledged | {more}, set()).checks()["acknowledged_is_stored"]
        assert not reckon(stack, written.acknowledged - {known}, set()).checks()["stored_is_acknowledged"]
        assert reckon(stack, written.acknowledged - {known}, {known}).unexplained == 0
        _storm_by_a_foreign_generator(stack)

    with (tmp_path / "load-peak.csv").open() as file:
        assert sum(int(line["accepted"]) for line in csv.DictReader(file)) == figures["acknowledged"]
    assert "scan by pass" in (tmp_path / "load-peak_stats.csv").read_text()
    assert "<html" in (tmp_path / "load-peak.html").read_text()


def _storm_by_a_foreign_generator(stack: LoadStack) -> None:
    """A second of it, where Go is there to build Vegeta."""
    if shutil.which("go") is None:
        return
    figures, checks = Storms(stack, Console(quiet=True), 1).run(["storm"])
    assert checks["taken_is_stored"], figures
    assert figures["taken"] > 100
