"""`python -m tests.lanes`: all tests, in two lanes side by side: most wait for processes more than they work.

The first lane has the tests that start whole products or containers, and the fuzzing, the second everything else: so
both take about as long. What the second prints is shown when it has ended; the last line counts both.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent
FIRST = ("faults", "e2e", "deploy", "browser", "fuzz")
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


def main(arguments: Sequence[str]) -> int:
    """The worse exit status of the two."""
    started = time.monotonic()
    first, second = lanes()
    with tempfile.TemporaryDirectory(prefix="guanka-tests-") as folder:
        command = [sys.executable, "-m", "pytest", *arguments]
        output = Path(folder) / "second.txt"
        with output.open("w") as file:
            beside = subprocess.Popen(
                [*command, f"--basetemp={folder}/2", *second], stdout=file, stderr=file, cwd=TESTS.parent
            )
        before = subprocess.Popen(
            [*command, f"--basetemp={folder}/1", *first], stdout=subprocess.PIPE, cwd=TESTS.parent
        )
        assert before.stdout is not None
        shown = b""
        while part := os.read(before.stdout.fileno(), 4096):
            sys.stdout.buffer.write(part)
            sys.stdout.flush()
            shown += part
        statuses = [before.wait(), beside.wait()]
        text = output.read_text()
    print(text)
    counts = counted(shown.decode().splitlines()) + counted(text.splitlines())
    told = ", ".join(f"{counts[word]:,} {word}" for word in ("failed", "error", "passed", "skipped") if counts[word])
    print(f"===== all tests: {told} in {(time.monotonic() - started) / 60:.1f} min =====")
    return max(statuses)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
