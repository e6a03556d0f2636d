"""`make faults`: every fault for many rounds under load, and a quarter of an hour without a broker; docs/faults.md.

ROUNDS=20 and MINUTES=15 (0 leaves that row out) say how much; ONLY=words takes the faults whose name holds one of the
words (separated by commas); ADD=1 adds to the table that is there instead of beginning a new one.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from guanka.home import ROOT, write_whole
from guanka.report import commit, machine, write_report
from tests.faults.failing_disk import Disk, bring_fiu
from tests.faults.inflicting import AWAY, FAULTS, WORKER_GROWTH_MB_MAX, Fault, early_acknowledgement, kill_postgres
from tests.faults.scene import Extent, Scene, scene_of
from tests.faults.table import Table

_EARLY = "acknowledged before durable"
_STATE = ROOT / "build" / "reports" / "faults-table.json"
_PAGE = ROOT / "docs" / "faults.md"
_TRIES = 5


def main() -> int:
    rounds, minutes = int(os.environ.get("ROUNDS", "20")), float(os.environ.get("MINUTES", "15"))
    only = [word for word in os.environ.get("ONLY", "").split(",") if word]
    extent = Extent(
        append_timeout_s=5, request_timeout_s=10, publication_timeout_s=20, away_scans=int(minutes * 60 * AWAY.rate)
    )
    console, started_at = Console(highlight=False), datetime.now(UTC)
    table = Table.of(json.loads(_STATE.read_text())) if os.environ.get("ADD") and _STATE.exists() else Table()
    with tempfile.TemporaryDirectory(prefix="guanka-disk-") as disk_folder:
        disk = Disk(Path(disk_folder)) if bring_fiu() else None
        faults = [fault for fault in (*FAULTS, *(disk.faults() if disk else ())) if _is_wanted(fault.name, only)]
        with (
            tempfile.TemporaryDirectory(prefix="guanka-faults-") as folder,
            scene_of(Path(folder), extent, disk.environment() if disk else {}) as scene,
        ):
            for fault in faults:
                times = int(minutes > 0) if fault is AWAY else rounds
                for n in range(times):
                    console.print(f"[dim]{fault.name}: round {n + 1} of {times}[/]")
                    _meet(scene, fault, table)
                    _keep(table, extent)
            if _is_wanted(_EARLY, only):
                _see_the_journals_fail(scene, table)
                _keep(table, extent)
    for line in table.lines():
        print(line)
    checks = {row.fault.replace(" ", "_"): row.is_kept() for row in table.rows.values()}
    if _is_wanted(_EARLY, only):
        checks["early_acknowledgement_is_noticed"] = table.figures.get(_LOST, 0.0) > 0
    write_report("faults", started_at, table.figures, checks)
    return 0 if all(checks.values()) else 1


_LOST = "lost with synchronous_commit=off (must not be 0)"


def _is_wanted(name: str, only: list[str]) -> bool:
    return not only or any(word in name for word in only)


def _meet(scene: Scene, fault: Fault, table: Table) -> None:
    verdict, journal = scene.run(fault.inflict, rate=fault.rate)
    table.add(fault.name, verdict, journal, is_graceful=fault.is_graceful)
    table.note(scene.figures)


def _see_the_journals_fail(scene: Scene, table: Table) -> None:
    """The counts can be trusted when they show what is lost where something is."""
    with early_acknowledgement(scene):
        for _ in range(_TRIES):
            verdict, _journal = scene.run(kill_postgres, rate=300)
            table.note({_LOST: verdict.lost})
            if verdict.lost:
                return


def _keep(table: Table, extent: Extent) -> None:
    """After every round: a run that is ended early has told what it saw."""
    _STATE.parent.mkdir(parents=True, exist_ok=True)
    write_whole(_STATE, json.dumps(table.document()))
    write_whole(_PAGE, _page(table, extent))


def _page(table: Table, extent: Extent) -> str:
    rows = "\n".join(table.lines())
    return f"""# Faults under load

*Written by `make faults` (loadtests/faults.py), {datetime.now(UTC):%Y-%m-%d}, commit {commit()}, {machine()}.*

A whole product on Apache Kafka; 60 people at gates over HTTP, 200 scans a second (500 without a broker). Each gate
keeps a journal: scan, digest of its content, when it was sent, when it was acknowledged, with what answer. A scan that
gets no answer is sent again or, one time in four, given up; one acknowledged scan in twenty is sent again at once.
After the fault, and 200 more scans, everything is counted:

- **lost**: acknowledged and not in the table of scans, or in the table and not in the log or not in the worker's tally;
- **twice**: told by two events, repeats being dropped as consumers do, by source and `ce_id`, or too many in the tally;
- **out of order**: told before a scan of the same person that was acknowledged before it was sent;
- **other answer**: sent once more by batch, an acknowledged scan must get its first answer again, to the letter.

The four must be 0. *Not at once* counts requests without a 200 (refused while a process was away, 503, no answer in
time); *resets* those that ended without a clean close or an answer. SIGTERM comes while scans are held up, so that most
people wait for an answer: *under way* were requests that had been sent whole before the signal, *cut off* were those of
them whose connection ended without an answer, be it by a clean close. Of both there must be none. (A connection
closed between two requests may meet the second on its way: that one was sent after the signal.)
*Silence* is the longest time without any acknowledgement. Frozen were PostgreSQL for {extent.store_frozen_s:.0f} s and
the broker for {extent.broker_frozen_s:.0f} s: twice the longest timeout of a request to either. The worker may grow by
{WORKER_GROWTH_MB_MAX:.0f} MB while the broker is away.

{rows}

What is lost with `synchronous_commit=off` shows that the counts can be trusted: the same SIGKILL of PostgreSQL then
loses what was acknowledged, and the journals say so. `make test` does each of this once, with shorter freezes and 5,000
scans without a broker (tests/faults/test_scans_under_faults.py).
"""


if __name__ == "__main__":
    sys.exit(main())
