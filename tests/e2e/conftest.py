"""One product per event log for the stories of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import Product, running_product


@pytest.fixture(scope="package", params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
def product(request: pytest.FixtureRequest) -> Iterator[Product]:
    """A running product; at the end nothing of it is left running."""
    with running_product(events=request.param) as running:
        yield running
