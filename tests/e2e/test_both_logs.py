"""One home, started on the one event log and then on the other, as somebody does who tries both."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.running import Product


@pytest.mark.kafka
def test_a_home_that_ran_on_one_event_log_starts_on_the_other_with_a_state_of_its_own() -> None:
    with tempfile.TemporaryDirectory(prefix="guanka-product-") as folder:
        databases = []
        for events in ("local", "kafka"):
            product = Product(Path(folder) / "home", events=events)
            try:
                product.start()
                databases.append(product.running["databases"]["codes"])
                demo = product.guanka("demo", "--people", "200")
                assert demo.returncode == 0, demo.stdout[-2000:]
            finally:
                left = [] if product.has_ended else product.stop()
            assert left == []
    assert len(set(databases)) == 2
