"""What the worker takes: colours' holders, its own scans, the ledger's requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from chassis.consumer import Message, Subscription, each
from services.checkpoints.board import StandingsChange
from services.checkpoints.domain.facts import ScanFact, TraceOrder
from services.checkpoints.messages.registrations import TASK_OPENED, destination
from services.checkpoints.messages.scans import SCAN_COMPLETED, scan_fact
from services.checkpoints.messages.standings import STANDINGS_CHANGED, standings_change
from services.checkpoints.messages.topics import LEDGER_TOPIC, SCANS_TOPIC, STANDINGS_TOPIC
from services.checkpoints.messages.traces import TRACE_REQUESTED, trace_order
from services.checkpoints.scan_statements import EVENT_TYPE


def subscriptions(
    *,
    on_standings: Callable[[Connection, Sequence[StandingsChange]], None],
    on_scans: Callable[[Connection, Sequence[ScanFact]], None],
    on_trace: Callable[[Connection, TraceOrder], object],
    on_destination: Callable[[Connection, UUID, str], object],
) -> tuple[Subscription, ...]:
    """Each topic with what is to be done about it; the heartbeat is for the board alone, which reads by itself."""

    def take_order(tx: Connection, message: Message) -> None:
        on_trace(tx, trace_order(message.payload))

    def take_task(tx: Connection, message: Message) -> None:
        if (found := destination(message.payload)) is not None:
            on_destination(tx, *found)

    def take_scans(tx: Connection, messages: Sequence[Message]) -> None:
        on_scans(tx, [scan_fact(message) for message in messages])

    return (
        Subscription(
            STANDINGS_TOPIC,
            {
                STANDINGS_CHANGED: lambda tx, messages: on_standings(
                    tx, [standings_change(message.payload) for message in messages]
                )
            },
        ),
        Subscription(
            SCANS_TOPIC,
            {EVENT_TYPE: take_scans, SCAN_COMPLETED: take_scans},
            has_revisions=False,
        ),
        Subscription(LEDGER_TOPIC, {TRACE_REQUESTED: each(take_order), TASK_OPENED: each(take_task)}),
    )
