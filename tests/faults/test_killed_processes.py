"""SIGKILL any one process in the middle of the demo: it comes back by itself, and the final count still holds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.running import Product, running_product

PROCESSES = (
    "codes-api", "codes-worker", "checkpoints-api", "checkpoints-worker", "ledger-api", "ledger-worker",
    "console-api", "console-worker", "postgres", "kafka-1",
)  # fmt: skip


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with running_product(events="kafka") as running:
        yield running


@pytest.mark.kafka
@pytest.mark.parametrize("name", PROCESSES)
def test_a_killed_process_comes_back_and_nothing_is_lost(product: Product, name: str) -> None:
    before = _scans(product)
    demo = product.begin("demo", "--people", "300")
    deadline = time.monotonic() + 90
    while _scans(product) < before + 60:
        assert time.monotonic() < deadline, demo.communicate(timeout=120)[0]
        time.sleep(0.05)
    pid = product.kill(name)
    output, _ = demo.communicate(timeout=240)
    assert demo.returncode == 0, output
    assert product.pid_of(name) != pid
    assert f"{name} died" in product.output.read_text()


def _scans(product: Product) -> int:
    with psycopg.connect(product.running["databases"]["checkpoints"]) as connection:
        row = connection.execute("SELECT count(*) FROM scan").fetchone()
    return int(row[0]) if row else 0
