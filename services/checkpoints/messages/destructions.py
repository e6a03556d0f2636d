"""ScansDestroyed: a day of scans was kept long enough."""

from __future__ import annotations

from chassis.outbox import Event
from chassis.timestamps import stamp_of
from services.checkpoints.domain.facts import Destruction
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words


def scans_destroyed(destruction: Destruction) -> Event:
    message = words.ScansDestroyed(
        day=destruction.day.isoformat(),
        scans=destruction.rows,
        destroyed_at=stamp_of(destruction.destroyed_at),
        rule=destruction.rule,
    )
    return Event(
        type=OURS + "ScansDestroyed",
        aggregatetype="destruction",
        aggregateid=destruction.day.isoformat(),
        subject=f"destruction/{destruction.day}",
        revision=1,
        time=destruction.destroyed_at,
        payload=message.SerializeToString(),
    )
