"""What codes says of everyone's colour: StandingsChanged and its heartbeat, for the board and the holders."""

from __future__ import annotations

from chassis.consumer import MalformedMessage
from chassis.event_log import Received
from chassis.timestamps import moment_of
from services.checkpoints.board import Heartbeat, StandingsChange
from wire.codes.v1 import events_pb2 as codes_words

STANDINGS_CHANGED = "guanka.codes.v1.StandingsChanged"
STANDINGS_HEARTBEAT = "guanka.codes.v1.StandingsHeartbeat"


def standing_of_record(record: Received) -> StandingsChange | Heartbeat | None:
    """A record of codes.standings.v1 for the board; None for what the board has no use for."""
    kind = (record.header("ce_type") or b"").decode()
    if kind == STANDINGS_CHANGED:
        return standings_change(record.value)
    if kind == STANDINGS_HEARTBEAT:
        heartbeat = codes_words.StandingsHeartbeat.FromString(record.value)
        return Heartbeat({each.list: each.revision for each in heartbeat.lists}, moment_of(heartbeat.at))
    return None


def standings_change(payload: bytes) -> StandingsChange:
    """Raises `MalformedMessage` when the columns differ in length."""
    change = codes_words.StandingsChanged.FromString(payload)
    if not len(change.idx) == len(change.colours) == len(change.person_refs) // 16:
        raise MalformedMessage("the columns differ in length")
    return StandingsChange(change.list, change.revision, tuple(change.idx), change.colours, change.person_refs)
