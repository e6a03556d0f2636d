"""Each fault once, under load: nothing acknowledged is lost, nothing counts twice, a person's scans keep their order.

`make faults` runs the same for many rounds and writes docs/faults.md. That a loss would be seen: test_durability.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.failing_disk import Disk, bring_fiu
from tests.faults.inflicting import FAULTS, Fault
from tests.faults.scene import BRIEF, Scene, scene_of
from tests.faults.table import Table


@pytest.fixture(scope="module")
def disk() -> Iterator[Disk | None]:
    """None where fiu-utils is not there and cannot be brought."""
    with tempfile.TemporaryDirectory(prefix="guanka-disk-") as folder:
        yield Disk(Path(folder)) if bring_fiu() else None


@pytest.fixture(scope="module")
def scene(disk: Disk | None) -> Iterator[Scene]:
    extra = disk.environment() if disk else {}
    with tempfile.TemporaryDirectory(prefix="guanka-faults-") as folder, scene_of(Path(folder), BRIEF, extra) as scene:
        yield scene


def meet(scene: Scene, fault: Fault, table: Table) -> None:
    verdict, journal = scene.run(fault.inflict, rate=fault.rate)
    row = table.add(fault.name, verdict, journal, is_graceful=fault.is_graceful)
    table.note(scene.figures)
    assert row.is_kept(), row


@pytest.mark.kafka
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_acknowledged_is_lost_or_counted_twice_or_out_of_order(
    scene: Scene, table: Table, fault: Fault
) -> None:
    meet(scene, fault, table)


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_what_the_disk_refused_is_not_acknowledged(disk: Disk | None, scene: Scene, table: Table) -> None:
    if disk is None:
        pytest.fail("fiu-ctrl is missing: install it, then test again (on Debian: apt-get install fiu-utils)")
    for fault in disk.faults():
        meet(scene, fault, table)
