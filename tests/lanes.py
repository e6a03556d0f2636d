"""`python -m tests.lanes`: all tests, in two lanes side by side: most wait for processes more than they work.

The first lane has the tests that start whole products or containers, and the fuzzing, the second everything else: so
both take about as long. Each line says whose it is, `1 |` or `2 |`; after half a minute without one it is said how far
both are. The last lines name what failed, in either lane, with its traceback, and count both.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent
FIRST = ("faults", "e2e", "deploy", "browser", "fuzz")
QUIET_S_MAX = 30.0
_SHARE = re.compile(r"\[ *(\d+%)\]$")
_SECTION = re.compile(r"=+ (FAILURES|ERRORS) =+")
_AFTER = re.compile(r"=+ (FAILURES|warnings summary|slowest .*|short test summary info) =+")
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)")


def lanes() -> tuple[list[str], list[str]]:
    """The folders of each lane; a folder that is new is in the second."""
    folders = sorted(each.name for each in TESTS.iterdir() if each.is_dir() and any(each.rglob("test_*.py")))
    first = [f"tests/{name}" for name in FIRST]
    return first, [f"tests/{name}" for name in folders if name not in FIRST]


def counted(lines: Sequence[str]) -> Counter[str]:
    """The counts of pytest's last line; an error where there is none."""
    summaries = [line for line in lines if line.startswith("=") and _COUNT.search(line)]
    if not summaries:
        return Counter({"error": 1})
    return Counter({"error" if word == "errors" else word: int(n) for n, word in _COUNT.findall(summaries[-1])})


def refusals(lines: Sequence[str]) -> list[str]:
    """The failures that pytest showed, and the names in its summary."""
    starts = [n for n, line in enumerate(lines) if _SECTION.fullmatch(line)]
    ends = [n for n, line in enumerate(lines) if _AFTER.fullmatch(line)]
    shown = [line for start in starts for line in lines[start : next((n for n in ends if n > start), len(lines))]]
    return shown + [line for line in lines if line.startswith(("FAILED ", "ERROR "))]


class Lane:
    """One pytest at work; its lines are shown as they come, and kept."""

    def __init__(self, name: str, command: Sequence[str], show: Callable[[str], None]) -> None:
        self.name, self._show = name, show
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=TESTS.parent, text=True, errors="replace"
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._show(f"{self.name} | {self.lines[-1]}")

    def has_ended(self) -> bool:
        return not self._reading.is_alive()

    def end(self) -> None:
        self._process.terminate()
        self.wait()

    def wait(self) -> int:
        self._reading.join()
        return self._process.wait()

    def share(self) -> str:
        """How far it is, by the last line that says so."""
        found = (_SHARE.search(line) for line in reversed(self.lines))
        return next((each[1] for each in found if each), "0%")


class Screen:
    """Prints whole lines of both lanes, and knows for how long it was quiet."""

    def __init__(self) -> None:
        self._lock, self._last = threading.Lock(), time.monotonic()

    def show(self, line: str) -> None:
        with self._lock:
            print(line, flush=True)
            self._last = time.monotonic()

    def quiet_s(self) -> float:
        return time.monotonic() - self._last


def main(arguments: Sequence[str]) -> int:
    """The worse exit status of the two."""
    started, screen = time.monotonic(), Screen()
    with tempfile.TemporaryDirectory(prefix="guanka-tests-") as folder:
        both = [
            Lane(str(n), [sys.executable, "-m", "pytest", *arguments, f"--basetemp={folder}/{n}", *tests], screen.show)
            for n, tests in enumerate(lanes(), start=1)
        ]
        while not all(lane.has_ended() for lane in both):
            time.sleep(0.2)
            if screen.quiet_s() > QUIET_S_MAX:
                shares = ", ".join(f"lane {lane.name} at {lane.share()}" for lane in both)
                screen.show(f"… {(time.monotonic() - started) / 60:.1f} min: {shares}")
        statuses = [lane.wait() for lane in both]
    for lane in both:
        for line in refusals(lane.lines):
            screen.show(f"{lane.name} ! {line}")
    counts = sum((counted(lane.lines) for lane in both), Counter[str]())
    told = ", ".join(f"{counts[word]:,} {word}" for word in ("failed", "error", "passed", "skipped") if counts[word])
    print(f"===== all tests: {told} in {(time.monotonic() - started) / 60:.1f} min =====")
    return max(statuses)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
