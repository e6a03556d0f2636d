"""`guanka kafka up`: Apache Kafka in the foreground, for work on the event log or a product started apart."""

from __future__ import annotations

import signal
import threading

from guanka.home import Home
from guanka.kafka_broker import Cluster, KafkaNotStarted


def run(home: Home, *, brokers: int, port: int | None) -> int:
    ports = [port + n for n in range(brokers)] if port else []
    cluster = Cluster(home.path / "kafka", brokers=brokers, ports=ports)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        print(f"KAFKA_BOOTSTRAP_SERVERS={cluster.start()}", flush=True)
    except (KafkaNotStarted, ValueError) as error:
        print(f"Kafka cannot start: {error}")
        return 1
    try:
        while not ended.wait(0.5):
            for n in range(1, brokers + 1):
                if n not in cluster.pids:
                    print(f"broker {n} died; it is started again", flush=True)
                    cluster.start_broker(n)
    finally:
        cluster.stop()
    return 0
