"""What codes tells and hears: domain events in the words of proto/, and the events of the ledger as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from chassis import outbox
from chassis.clock import Clock
from chassis.consumer import Message, Subscription
from chassis.event_log import Topic
from chassis.outbox import Event
from chassis.timestamps import moment_of, stamp_of
from services.codes.domain.colours import Colour
from services.codes.domain.dossier import Evidence
from services.codes.domain.events import ColourChanged, DomainEvent, StandingsChanged, StandingsHeartbeat
from services.codes.use_cases.evidence import take_findings
from services.codes.use_cases.ports import Office
from wire.codes.v1 import events_pb2 as words
from wire.ledger.v1 import events_pb2 as ledger_words

SOURCE = "/codes"
TOPICS = {"person": "codes.events.v1", "standings": "codes.standings.v1"}
OWN_TOPICS = (
    Topic("codes.events.v1", partitions=12, retention_s=28 * 86_400),
    Topic("codes.standings.v1", partitions=1, retention_s=2 * 86_400),
)
HEARTBEAT = "guanka.codes.v1.StandingsHeartbeat"

_COLOURS = {
    Colour.GREEN: words.COLOUR_GREEN,
    Colour.YELLOW: words.COLOUR_YELLOW,
    Colour.RED: words.COLOUR_RED,
    Colour.LAPSED: words.COLOUR_LAPSED,
}
_DISTRICT_DIGITS = 6


def tell(tx: Connection, events: Sequence[DomainEvent]) -> None:
    """Write the events to the outbox, in the order given."""
    outbox.append(tx, [event_of(event) for event in events])


def event_of(event: DomainEvent) -> Event:
    match event:
        case ColourChanged():
            return _colour_changed(event)
        case StandingsChanged():
            return _standings_changed(event)
        case StandingsHeartbeat():
            return _heartbeat(event)


def _colour_changed(event: ColourChanged) -> Event:
    message = words.ColourChanged(
        person_ref=str(event.person_ref),
        colour=_COLOURS[event.colour],
        previous=words.COLOUR_UNSPECIFIED if event.previous is None else _COLOURS[event.previous],
        since=stamp_of(event.since),
        review_at=None if event.review_at is None else stamp_of(event.review_at),
        rule_set=event.rule_set,
        area=event.area,
    )
    for reason in event.reasons:
        message.reasons.add(
            rule=reason.rule,
            rule_set=reason.rule_set,
            evidence_ids=reason.evidence,
            text_zh=reason.text.zh,
            text_en=reason.text.en,
            colour=_COLOURS[reason.colour],
            ends_at=None if reason.ends_at is None else stamp_of(reason.ends_at),
        )
    return Event(
        type="guanka.codes.v1.ColourChanged",
        aggregatetype="person",
        aggregateid=str(event.person_ref),
        subject=f"person/{event.person_ref}",
        revision=event.revision,
        time=event.at,
        payload=message.SerializeToString(),
        district=event.area[:_DISTRICT_DIGITS] if len(event.area) >= _DISTRICT_DIGITS else "",
    )


def _standings_changed(event: StandingsChanged) -> Event:
    message = words.StandingsChanged(
        list=event.list,
        revision=event.revision,
        idx=event.idx,
        colours=event.colours,
        person_refs=b"".join(person_ref.bytes for person_ref in event.person_refs),
    )
    return Event(
        type="guanka.codes.v1.StandingsChanged",
        aggregatetype="standings",
        aggregateid=str(event.list),
        subject=f"standings/{event.list}",
        revision=event.revision,
        time=event.at,
        payload=message.SerializeToString(),
    )


def _heartbeat(event: StandingsHeartbeat) -> Event:
    message = words.StandingsHeartbeat(at=stamp_of(event.at))
    for list_number, revision in event.lists:
        message.lists.add(list=list_number, revision=revision)
    return Event(
        type=HEARTBEAT,
        aggregatetype="standings",
        aggregateid="heartbeat",
        subject="standings/heartbeat",
        revision=event.revision,
        time=event.at,
        payload=message.SerializeToString(),
    )


def subscriptions(office: Office, clock: Clock) -> list[Subscription]:
    def findings(tx: Connection, messages: Sequence[Message]) -> None:
        """A batch is one change: the contacts of a case reach the gates together."""
        take_findings(tx, office, [finding_of(message) for message in messages], clock())

    return [Subscription("ledger.events.v1", {"guanka.ledger.v1.EvidenceFound": findings})]


def finding_of(message: Message) -> Evidence:
    """Raises ValueError on a message that is not what it says."""
    found = ledger_words.EvidenceFound.FromString(message.payload)
    return Evidence(
        evidence_id=UUID(found.evidence_id),
        kind=found.kind,
        person_ref=UUID(found.person_ref),
        area=None,
        facts={"entry_id": found.entry_id},
        observed_at=moment_of(found.observed_at),
        source=message.source,
        ended_at=moment_of(found.ended_at) if found.HasField("ended_at") else None,
        outcome=found.outcome,
        succeeded_by=UUID(found.succeeded_by) if found.succeeded_by else None,
    )
