"""What browser tests share: a real Chromium, and a console of their own as processes on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from chassis.event_log.local import LocalEventLog
from guanka.ports import free_ports
from guanka.postgres import EmbeddedPostgres
from services.console.vendor import VENDOR
from tests.fakes.neighbours import Neighbours
from tests.integration.checkpoints.town import ISSUER, Issuer

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_READY_S = 30.0


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail("Chromium is missing: apt-get install -y chromium")
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test")
        running = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="package")
def chart_library() -> None:
    if not (VENDOR / "uplot" / "uPlot.esm.js").is_file():
        pytest.fail("The browser libraries are missing: make setup (npm ci, then python -m services.console.vendor)")


class Console:
    """The console's two processes, started and ended one by one."""

    def __init__(self, folder: Path, *, database_url: str, event_log_url: str) -> None:
        self._ports = dict(zip(("api", "worker", "ledger-worker", "absent"), free_ports(4), strict=True))
        self.port = self._ports["api"]
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self.issuer = Issuer()
        (folder / "jwks.json").write_text(json.dumps(self.issuer.jwks()))
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "EVENT_LOG_URL": event_log_url,
            "AUTH_ISSUER": ISSUER,
            "AUTH_JWKS": str(folder / "jwks.json"),
            "AREA_FILE": str(ROOT / "data" / "guangzhou" / "areas.csv"),
        }
        self._watch(**{"console-worker": "worker", "import-worker": "absent"})
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def _watch(self, **processes: str) -> None:
        workers = {name: f"http://127.0.0.1:{self._ports[process]}" for name, process in processes.items()}
        self._environment["WORKERS_JSON"] = json.dumps(workers)

    def watch_a_ledger_worker(self) -> None:
        """Show one more worker, under the name of the ledger's: a second process of the console that stands by."""
        self._watch(**{"console-worker": "worker", "ledger-worker": "ledger-worker"})
        self.start("ledger-worker")
        self.end("api")
        self.start("api")

    def start(self, process: str) -> None:
        """Start `api`, `worker` or `ledger-worker` and wait until it listens."""
        port, command = self._ports[process], "api" if process == "api" else "worker"
        with (self._folder / f"{process}.log").open("ab") as output:
            self._processes[process] = subprocess.Popen(
                [sys.executable, "-m", "services.console.main", command],
                cwd=ROOT,
                env=self._environment | {"HTTP_PORT": str(port)},
                stdout=output,
                stderr=output,
            )
        self._wait_until_alive(process, f"http://127.0.0.1:{port}/livez")

    def _wait_until_alive(self, process: str, address: str) -> None:
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                with urllib.request.urlopen(address, timeout=2):  # noqa: S310 (our own address)
                    return
            except OSError:
                if self._processes[process].poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the console's {process} did not start:\n{self.output(process)}")
                time.sleep(0.1)

    def output(self, process: str) -> str:
        return (self._folder / f"{process}.log").read_text()

    def end(self, process: str, with_signal: signal.Signals = signal.SIGTERM) -> float:
        """Seconds that it took to end."""
        running, started = self._processes.pop(process), time.monotonic()
        running.send_signal(with_signal)
        running.wait(timeout=30)
        return time.monotonic() - started

    def end_all(self) -> None:
        for process in list(self._processes):
            self._processes[process].send_signal(signal.SIGCONT)
            self.end(process)

    def pid(self, process: str) -> int:
        return self._processes[process].pid


@pytest.fixture
def event_log_url(fresh_database: str) -> str:
    return fresh_database


@pytest.fixture
def neighbours(event_log_url: str) -> Iterator[Neighbours]:
    event_log = LocalEventLog(event_log_url)
    telling = Neighbours(event_log)
    yield telling
    telling.close()
    event_log.close()


@pytest.fixture
def console(
    migrated: Callable[[str], str],
    event_log_url: str,
    neighbours: Neighbours,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> Iterator[Console]:
    running = Console(tmp_path, database_url=migrated("console"), event_log_url=f"local:{event_log_url}")
    running.start("worker")
    running.start("api")
    yield running
    running.end_all()


@pytest.fixture
def page(browser: Browser, console: Console) -> Iterator[Page]:
    """A page at 1280×800 that remembers in `page.complaints` whatever the browser complained of."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    yield opened
    context.close()
