"""Which adapter a service's setting names: `local:postgresql://…` or `kafka:HOST:PORT[,…]`."""

from __future__ import annotations

from chassis.event_log import EventLog


def open_event_log(url: str, *, client_id: str) -> EventLog:
    adapter, _, address = url.partition(":")
    if adapter == "local":
        from chassis.event_log.local import LocalEventLog

        return LocalEventLog(address)
    from chassis.event_log.kafka import KafkaEventLog

    return KafkaEventLog(address, client_id=client_id)
