"""One product per event log for the stories of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import Product


@pytest.fixture(scope="package", params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A running product; at the end nothing of it is left running."""
    running = Product(tmp_path_factory.mktemp("product") / request.param, events=request.param)
    running.start()
    yield running
    if not running.has_ended:
        assert running.stop() == []
