"""`guanka republish` sets a consumer whose offset the log does not hold back to the log's first record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import sqlalchemy as sa

from guanka.mending import move_into_log


@pytest.mark.parametrize("offset", [0, 1000])
def test_a_consumer_cut_off_goes_on_after_republish_moved_its_offset(
    loopback: Any,
    log_url: str,
    running: Callable[..., AbstractContextManager[None]],
    until: Callable[..., None],
    offset: int,
) -> None:
    """The log was cut before the offset 0, or made anew below the offset 1000."""
    environment = {"DATABASE_URL": loopback.database.url, "EVENT_LOG_URL": f"local:{log_url}"}
    loopback.write(*(loopback.event("a", revision) for revision in range(1, 6)))
    with running(loopback.relay().run):
        until(lambda: loopback.waiting() == 0)
    partition = next(record.partition for record in loopback.in_the_log())
    loopback.event_log.cut(("cases.events.v1", partition), 2)
    with loopback.database.transaction() as tx:
        tx.execute(
            sa.text("INSERT INTO consumer_offset VALUES ('cases.events.v1', :partition, :offset)"),
            {"partition": partition, "offset": offset},
        )
    consumer = loopback.consumer()
    with running(consumer.run):
        until(lambda: "guanka republish" in (consumer.trouble or ""))
        assert move_into_log(environment) == 1
        until(lambda: loopback.effects_of("a") == [3, 4, 5])
        until(lambda: consumer.trouble is None)
    assert move_into_log(environment) == 0
