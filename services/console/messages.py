"""What the console hears: the only module that reads the other services' words. It tells nothing of its own yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from uuid import UUID

from sqlalchemy import Connection

from chassis.event_log import Topic
from chassis.message import Message, Subscription, each
from chassis.timestamps import moment_of
from services.console import read_model
from services.console.domain.scans import ScanTaken, tally
from services.console.domain.titles import DefinitionTitles, StageTitle
from services.console.domain.words import Label
from services.console.read_model import AlarmRaised, CheckpointNamed, ColourChange
from wire.checkpoints.v1 import events_pb2 as checkpoints
from wire.codes.v1 import events_pb2 as codes
from wire.ledger.v1 import events_pb2 as ledger

TOPICS: dict[str, str] = {}
DECLARED: tuple[Topic, ...] = ()
"""The console has no aggregate, hence no topic; the districts' streams will be declared here."""

_COLOURS = {
    codes.COLOUR_GREEN: "green",
    codes.COLOUR_YELLOW: "yellow",
    codes.COLOUR_RED: "red",
    codes.COLOUR_LAPSED: "lapsed",
}


def subscriptions(zone: tzinfo) -> list[Subscription]:
    """The four topics, and the effect of each type on the read model; `zone` defines the day of a scan."""

    def scans_recorded(tx: Connection, messages: Sequence[Message]) -> None:
        scans = [checkpoints.ScanRecorded.FromString(message.payload) for message in messages if message.revision == 1]
        taken = (
            ScanTaken(moment_of(scan.scanned_at), moment_of(scan.recorded_at), scan.decision)
            for scan in scans
            if not scan.is_self_reported and not scan.repeat_of
        )
        read_model.count_scans(tx, tally(taken, zone))

    return [
        # ScanCompleted is no further scan. In a log of before it is a ScanRecorded of revision 2: not counted either.
        Subscription(
            "checkpoints.scans.v1", {"guanka.checkpoints.v1.ScanRecorded": scans_recorded}, has_revisions=False
        ),
        Subscription("codes.events.v1", {"guanka.codes.v1.ColourChanged": colours_changed}),
        Subscription("checkpoints.events.v1", {"guanka.checkpoints.v1.CheckpointRegistered": checkpoints_registered}),
        Subscription(
            "ledger.events.v1",
            {
                "guanka.ledger.v1.EntryOpened": entries_opened,
                "guanka.ledger.v1.EntryMoved": entries_moved,
                "guanka.ledger.v1.EntryClosed": entries_closed,
                "guanka.ledger.v1.AlarmRaised": alarms_raised,
                "guanka.ledger.v1.LedgerDefined": each(ledger_defined),
            },
        ),
    ]


def colours_changed(tx: Connection, messages: Sequence[Message]) -> None:
    told = [(codes.ColourChanged.FromString(message.payload), message.time) for message in messages]
    changes = [
        ColourChange(
            person_ref=UUID(event.person_ref),
            colour=_COLOURS[event.colour],
            is_other=event.colour != event.previous,
            changed_at=datetime.fromisoformat(time),
        )
        for event, time in told
    ]
    read_model.change_colours(tx, changes)


def checkpoints_registered(tx: Connection, messages: Sequence[Message]) -> None:
    events = [checkpoints.CheckpointRegistered.FromString(message.payload) for message in messages]
    named = {
        event.checkpoint_id: CheckpointNamed(event.checkpoint_id, event.kind, event.name, event.area)
        for event in events
    }
    read_model.name_checkpoints(tx, list(named.values()))


def entries_opened(tx: Connection, messages: Sequence[Message]) -> None:
    events = [ledger.EntryOpened.FromString(message.payload) for message in messages]
    read_model.place_entries(tx, {UUID(event.entry_id): (event.ledger, event.stage) for event in events})


def entries_moved(tx: Connection, messages: Sequence[Message]) -> None:
    events = [ledger.EntryMoved.FromString(message.payload) for message in messages]
    read_model.place_entries(tx, {UUID(event.entry_id): (event.ledger, event.stage) for event in events})


def entries_closed(tx: Connection, messages: Sequence[Message]) -> None:
    read_model.close_entries(tx, {UUID(ledger.EntryClosed.FromString(m.payload).entry_id) for m in messages})


def ledger_defined(tx: Connection, message: Message) -> None:
    told = ledger.LedgerDefined.FromString(message.payload)
    stages = [StageTitle(stage.stage, _label(stage.title)) for stage in told.stages if not stage.is_final]
    valid_from = moment_of(told.valid_from)
    titles = DefinitionTitles(told.ledger, told.version, valid_from, told.strength, _label(told.title), stages)
    read_model.title_ledger(tx, titles)


def _label(title: ledger.Title) -> Label:
    return Label(title.zh, title.en)


def alarms_raised(tx: Connection, messages: Sequence[Message]) -> None:
    """`person_ref`, `entry_id` and `scan_id` stay unread: a screen shows where to act, not about whom."""
    events = [ledger.AlarmRaised.FromString(message.payload) for message in messages]
    read_model.show_alarms(
        tx,
        [
            AlarmRaised(UUID(e.alarm_id), e.kind, e.owner, e.area, e.checkpoint_id, moment_of(e.raised_at))
            for e in events
        ],
    )
