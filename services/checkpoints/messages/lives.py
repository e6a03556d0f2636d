"""The life of a checkpoint: CheckpointRegistered as it holds now, CheckpointChangeOrdered for what will hold later."""

from __future__ import annotations

from datetime import datetime

from chassis.outbox import Event
from chassis.timestamps import stamp_of
from services.checkpoints.domain.life import Change
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words


def checkpoint_registered(checkpoint: Checkpoint, now: datetime) -> Event:
    message = words.CheckpointRegistered(
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        name=checkpoint.name,
        venue=checkpoint.venue,
        area=checkpoint.area,
        stage=checkpoint.stage.value,
        successor_id=str(checkpoint.successor or ""),
        holds_from=stamp_of(checkpoint.holds_from),
    )
    return _checkpoint_event("CheckpointRegistered", checkpoint, message.SerializeToString(), now)


def change_ordered(checkpoint: Checkpoint, change: Change, now: datetime) -> Event:
    message = words.CheckpointChangeOrdered(
        checkpoint_id=str(checkpoint.checkpoint_id),
        number=change.number,
        change=change.change.value,
        holds_from=stamp_of(change.holds_from),
        kind=change.kind or "",
        name=change.name or "",
        venue=change.venue or "",
        area=change.area or "",
        successor_id=str(change.successor or ""),
        withdraws=change.withdraws or 0,
    )
    return _checkpoint_event("CheckpointChangeOrdered", checkpoint, message.SerializeToString(), now)


def _checkpoint_event(name: str, checkpoint: Checkpoint, payload: bytes, now: datetime) -> Event:
    return Event(
        type=OURS + name,
        aggregatetype="checkpoint",
        aggregateid=str(checkpoint.checkpoint_id),
        subject=f"checkpoint/{checkpoint.checkpoint_id}",
        revision=checkpoint.revision,
        time=now,
        payload=payload,
        district=checkpoint.district,
    )
