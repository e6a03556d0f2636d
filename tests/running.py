"""A whole product of a test's own: `guanka up` as a process, in a home and on ports of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from guanka.ports import free_ports
from guanka.tether import Tether

ROOT = Path(__file__).resolve().parent.parent
_READY_S = 180.0


class Product:
    """Started by `start`, ended by `stop`; what it printed is in `output`."""

    def __init__(self, home: Path, *, events: str = "local", extra: Mapping[str, str] | None = None) -> None:
        self.home, self.events, self._extra = home, events, extra or {}
        self.port_base = free_port_base()
        self.output = home / "up.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._tether: Tether | None = None
        self.started_s = 0.0

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
        return {
            **kept,
            "GUANKA_HOME": str(self.home),
            "PORT_BASE": str(self.port_base),
            "EVENTS": self.events,
            "COLUMNS": "150",
            **self._extra,
        }

    def guanka(self, *arguments: str, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """Run the command line against this product."""
        command = [sys.executable, "-m", "guanka.main", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        command = [sys.executable, "-m", "guanka.main", *arguments]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def start(self) -> float:
        """Seconds until it was ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "guanka.main", "up"],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        if self._tether is not None:
            self._tether.cut()
        self._tether = Tether(self._process.pid)
        while not self.run_file.exists():
            if self._process.poll() is not None or time.monotonic() - started > _READY_S:
                raise AssertionError(f"the product did not start:\n{self.output.read_text()[-4000:]}")
            time.sleep(0.1)
        self.started_s = time.monotonic() - started
        return self.started_s

    @property
    def run_file(self) -> Path:
        return self.home / "run.json"

    @property
    def running(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run_file.read_text())
        return document

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def address(self, service: str) -> str:
        return f"http://127.0.0.1:{self.running['processes'][f'{service}-api']['port']}"

    def pid_of(self, name: str) -> int:
        return int(self.running["processes"][name]["pid"])

    def kill(self, name: str) -> int:
        """SIGKILL one process (PostgreSQL with all its children); the pid it had."""
        pid = self.pid_of(name)
        process = psutil.Process(pid)
        for each in [*process.children(recursive=True), process]:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
        return pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> list[psutil.Process]:
        """End it; the processes that it left behind (there must be none)."""
        assert self._process is not None
        family = psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []
        self._process.send_signal(number)
        self._process.wait(60)
        _, left = psutil.wait_procs(family, timeout=2)
        return list(left)

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


@contextmanager
def running_product(*, events: str = "local", extra: Mapping[str, str] | None = None) -> Iterator[Product]:
    """A product in a fresh home, ready; ended afterwards, with nothing left running. `extra` is environment.

    Its home is not in pytest's folder: a second run beside this one closes that folder to PostgreSQL's system user.
    """
    with tempfile.TemporaryDirectory(prefix="guanka-product-") as folder:
        product = Product(Path(folder) / "home", events=events, extra=extra)
        try:
            product.start()
            yield product
        finally:
            left = [] if product.has_ended else product.stop()
        assert left == []


def free_port_base() -> int:
    """A base whose four ports are free now."""
    return free_ports(4)[0]
