"""One real Kafka broker for the whole test session; tests/conftest.py imports these fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guanka.kafka_broker import Cluster


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Shared: a test that kills or freezes brokers starts a cluster of its own."""
    cluster = Cluster(tmp_path_factory.mktemp("kafka"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_cluster: Cluster) -> str:
    return kafka_cluster.bootstrap
