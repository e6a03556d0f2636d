"""`make test` shows both of its lanes while they run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests import lanes

SLOW = """
import time

def test_two() -> None:
    time.sleep(2)

def test_three() -> None:
    assert False
"""


def test_both_lanes_are_shown_as_they_run_and_counted_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    quick, slow = tmp_path / "test_quick.py", tmp_path / "test_slow.py"
    quick.write_text("def test_one() -> None: ...\n")
    slow.write_text(SLOW)
    monkeypatch.setattr(lanes, "lanes", lambda: ([str(quick)], [str(slow)]))
    monkeypatch.setattr(lanes, "QUIET_S_MAX", 0.5)
    assert lanes.main([]) == 1
    said = capfd.readouterr().out.splitlines()
    ended = next(n for n, line in enumerate(said) if line.startswith("1 | ") and " passed in" in line)
    assert any(line.startswith("… ") and "lane 1 at" in line and "lane 2 at" in line for line in said)
    assert any(line.startswith("2 | ") for line in said[ended:])
    assert said[-2].startswith("2 ! FAILED ")
    assert "slow.py::test_three" in said[-2]
    assert "2 ! >       assert False" in said[said.index(next(line for line in said if " FAILURES " in line)) :]
    assert said[-1].startswith("===== all tests: 1 failed, 2 passed in ")


def test_a_lane_tells_its_lines_before_it_ends() -> None:
    shown: list[str] = []
    script = "import time; print('first', flush=True); time.sleep(30)"
    lane = lanes.Lane("2", [lanes.sys.executable, "-c", script], shown.append)
    deadline = time.monotonic() + 20
    while not shown:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (shown, lane.has_ended()) == (["2 | first"], False)
    lane.end()
