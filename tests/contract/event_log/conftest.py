"""Both adapters of the event log, behind one fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chassis.event_log import EventLog
from chassis.event_log.kafka import KafkaEventLog
from chassis.event_log.local import LocalEventLog


@pytest.fixture(params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
def event_log(request: pytest.FixtureRequest) -> Iterator[EventLog]:
    log: EventLog
    if request.param == "local":
        log = LocalEventLog(request.getfixturevalue("fresh_database"))
    else:
        log = KafkaEventLog(request.getfixturevalue("kafka_bootstrap"), client_id="contract")
    yield log
    log.close()
