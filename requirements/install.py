"""`python requirements/install.py LOCK`: pip with progress as a few plain lines, in a terminal and in a CI's log alike.

The first `make run` brings more than a hundred packages: pip alone says nothing for a minute with -q, a wall without.
Only the standard library is there yet.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

EVERY_S = 5.0
_PACKAGE = re.compile(r"^[A-Za-z0-9][\w.\-\[\]]*==", re.MULTILINE)
_COLLECTING = re.compile(r"^(?:Collecting|Requirement already satisfied:) ([\w.\-]+)")


def told(lines: Iterable[str], packages: int, clock: Iterator[float]) -> Iterator[str]:
    """What is said of pip's lines: how many packages are here, each few seconds, and when they are unpacked."""
    started = said = next(clock)
    found = 0
    for line in lines:
        now = next(clock)
        if name := _COLLECTING.match(line):
            found += 1
            if now - said >= EVERY_S:
                said = now
                yield f"  {now - started:3.0f} s: {found} of {packages} packages looked at, now {name[1]}"
        elif line.startswith("Installing collected packages"):
            said = now
            yield f"  {now - started:3.0f} s: all {packages} are here and checked; unpacking them (about half a minute)"


def _clock() -> Iterator[float]:
    while True:
        yield time.monotonic()


def main(lock: Path) -> int:
    """pip's exit status; what it printed is shown where it failed."""
    packages = len(_PACKAGE.findall(lock.read_text()))
    print(f"installing {packages} Python packages from {lock}: a minute or so, less where pip has them", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
    pip += ["--require-hashes", "-r", str(lock)]
    kept: list[str] = []
    started = time.monotonic()
    with subprocess.Popen(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:

        def keeping() -> Iterator[str]:
            for line in running.stdout or ():
                kept.append(line)
                yield line

        for line in told(keeping(), packages, _clock()):
            print(line, flush=True)
    if running.returncode:
        print("".join(kept[-30:]), file=sys.stderr)
        return running.returncode
    print(f"  {time.monotonic() - started:3.0f} s: the Python packages are installed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
