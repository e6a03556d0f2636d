"""A foreign generator: Vegeta (Go), an open loop at a constant rate, whose clients do not slow down with the service.

Locust takes a whole core for itself on the two that it shares with the product, so it cannot show what the product
takes in a storm. Vegeta costs a third of that, and is written by others. It comes from Go's module proxy where Go is
there; `binary` says what is missing where it is not.
"""

from __future__ import annotations

import base64
import csv
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from guanka.home import ROOT
from guanka.processes import die_with_parent
from guanka.report import percentile

MODULE, VERSION = "github.com/tsenart/vegeta/v12", "v12.13.0"
_BUILT = ROOT / "build" / "vegeta"
_TIMEOUT_S = 10


class VegetaMissing(Exception):
    """Vegeta cannot be had here; the message says what is missing."""


class VegetaFailed(Exception):
    """An attack did not get through; the message is what Vegeta said."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: when it was due (seconds from the attack's start), its latency and its status, 0 without an answer.

    Vegeta measures a latency from the moment at which the request was due, so a client that is late is in it.
    """

    due_s: float
    latency_ms: float
    status: int


@dataclass(frozen=True, slots=True)
class Target:
    body: bytes
    authorization: str


def binary() -> Path:
    """The built program, made on first use. Raises `VegetaMissing`."""
    program = _BUILT / "vegeta"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise VegetaMissing("Go is not installed, so the second generator (Vegeta) is left out")
    built = subprocess.run(
        [go, "install", f"{MODULE}@{VERSION}"],
        env={**os.environ, "GOBIN": str(_BUILT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode or not program.exists():
        raise VegetaMissing(f"Go could not build Vegeta, so it is left out: {built.stderr.strip()[-300:]}")
    return program


def write_targets(path: Path, url: str, targets: Iterator[Target]) -> int:
    """Write requests in the order in which they are to go; how many there are."""
    count = 0
    with path.open("wb") as file:
        for target in targets:
            body = base64.b64encode(target.body)
            file.write(
                b'{"method":"POST","url":"%b","header":{"Authorization":["%b"],"Content-Type":["application/json"]},'
                b'"body":"%b"}\n' % (url.encode(), target.authorization.encode(), body)
            )
            count += 1
    return count


class Attack:
    """One attack under way: `rate` requests a second, or with `clients` a closed loop of so many."""

    def __init__(
        self, targets: Path, results: Path, *, rate: float = 0, seconds: float, clients: int = 0, niceness: int = 0
    ) -> None:
        self._results, self._seconds = results, seconds
        pace = ["-rate=0", f"-max-workers={clients}", f"-workers={clients}"] if clients else [f"-rate={rate:.0f}/s"]
        command = [
            *([] if not niceness else ["nice", "-n", str(niceness)]),
            str(binary()),
            "attack",
            "-format=json",
            "-lazy",
            f"-targets={targets}",
            f"-duration={seconds}s",
            f"-timeout={_TIMEOUT_S}s",
            "-max-body=0",
            "-redirects=-1",
            *pace,
            f"-output={results}",
        ]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 (one system call, started from the main thread)
        )

    def sent(self) -> list[Sent]:
        """All that was sent, in the order in which it was due, when the attack is over. Raises `VegetaFailed`."""
        _, said = self._process.communicate(timeout=self._seconds + 10 * _TIMEOUT_S)
        if self._process.returncode:
            raise VegetaFailed(said[-1000:])
        return read_results(self._results)


def read_results(path: Path) -> list[Sent]:
    listing = path.with_suffix(".csv")
    subprocess.run([str(binary()), "encode", "--to=csv", f"--output={listing}", str(path)], check=True)
    with listing.open(newline="") as file:
        rows = sorted((int(row[0]), int(row[2]), int(row[1])) for row in csv.reader(file))
    listing.unlink()
    if not rows:
        return []
    began = rows[0][0]
    return [Sent((at - began) / 1e9, latency / 1e6, status) for at, latency, status in rows]


def per_second(sent: Sequence[Sent], *, window_s: int = 1) -> list[float]:
    """Scans a second that were taken, by when they were answered, in windows of so many seconds."""
    if not sent:
        return []
    answered = [each.due_s + each.latency_ms / 1000 for each in sent if each.status == 200]
    last = max(each.due_s for each in sent)
    counts = [0] * max(1, round(last / window_s))
    for at in answered:
        if (place := int(at // window_s)) < len(counts):
            counts[place] += 1
    return [count / window_s for count in counts]


def p99_ms(sent: Sequence[Sent], from_s: float = 0.0, until_s: float = float("inf")) -> float:
    """Of the requests that were taken and due in this time."""
    return percentile([each.latency_ms for each in sent if each.status == 200 and from_s <= each.due_s < until_s], 0.99)


def await_moment(at_s: float) -> None:
    """Sleep until a Unix time; raises `VegetaFailed` when it has passed, for passes signed for then are too old."""
    left = at_s - time.time()
    if left < 0:
        raise VegetaFailed(f"the requests were ready {-left:.0f} s too late")
    time.sleep(left)
