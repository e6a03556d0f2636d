"""Domain events in the words of proto/, and the ledger's words as evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chassis.consumer import Message
from services.codes.domain.colours import Colour
from services.codes.domain.events import ColourChanged, StandingsChanged, StandingsHeartbeat
from services.codes.domain.rules import Text
from services.codes.domain.verdicts import Reason
from services.codes.messages import OWN_TOPICS, TOPICS, event_of, finding_of
from wire.codes.v1 import events_pb2 as words
from wire.ledger.v1 import events_pb2 as ledger_words

NOW = datetime(2020, 2, 11, 8, 0, 0, 5_000, UTC)
PERSON, EVIDENCE = UUID(int=1 << 100), uuid4()


def changed(area: str = "440103001", previous: Colour | None = Colour.GREEN) -> ColourChanged:
    reason = Reason("close_contact", "hangzhou-2020@1", Colour.RED, Text("因", "because"), (str(EVIDENCE),))
    review_at = NOW + timedelta(days=14)
    return ColourChanged(PERSON, 3, Colour.RED, previous, NOW, review_at, (reason,), "hangzhou-2020@1", area, NOW)


def test_a_colour_is_told_under_its_person_with_reasons_and_evidence() -> None:
    event = event_of(changed())
    assert (event.type, TOPICS[event.aggregatetype]) == ("guanka.codes.v1.ColourChanged", "codes.events.v1")
    assert (event.aggregateid, event.subject, event.revision) == (str(PERSON), f"person/{PERSON}", 3)
    assert event.district == "440103"
    told = words.ColourChanged.FromString(event.payload)
    assert told.person_ref == str(PERSON)
    assert (told.colour, told.previous) == (words.COLOUR_RED, words.COLOUR_GREEN)
    assert told.since.ToDatetime(UTC) == NOW
    assert told.review_at.ToDatetime(UTC) == NOW + timedelta(days=14)
    assert [(each.rule, list(each.evidence_ids), each.text_zh) for each in told.reasons] == [
        ("close_contact", [str(EVIDENCE)], "因")
    ]


def test_a_person_without_residence_has_no_district_and_a_first_colour_no_previous() -> None:
    assert event_of(changed(area="")).district == ""
    assert event_of(changed(area="4401")).district == ""
    told = words.ColourChanged.FromString(event_of(changed(previous=None)).payload)
    assert told.previous == words.COLOUR_UNSPECIFIED


def test_standings_are_told_in_columns_under_their_list() -> None:
    event = event_of(StandingsChanged(2, 17, (5, 9), b"\x01\x00", (PERSON, EVIDENCE), NOW))
    assert (event.aggregateid, event.subject, event.revision) == ("2", "standings/2", 17)
    assert TOPICS[event.aggregatetype] == "codes.standings.v1"
    told = words.StandingsChanged.FromString(event.payload)
    assert (told.list, told.revision, list(told.idx), told.colours) == (2, 17, [5, 9], b"\x01\x00")
    assert told.person_refs == PERSON.bytes + EVIDENCE.bytes


def test_a_thousand_entries_stay_small() -> None:
    people = tuple(uuid4() for _ in range(1_000))
    event = event_of(StandingsChanged(1, 1, tuple(range(1_000_000, 1_001_000)), bytes(1_000), people, NOW))
    assert len(event.payload) < 21_000


def test_a_heartbeat_carries_every_revision() -> None:
    event = event_of(StandingsHeartbeat(8, ((1, 17), (2, 3)), NOW))
    assert (event.type, event.subject, event.revision) == (
        "guanka.codes.v1.StandingsHeartbeat",
        "standings/heartbeat",
        8,
    )
    told = words.StandingsHeartbeat.FromString(event.payload)
    assert [(each.list, each.revision) for each in told.lists] == [(1, 17), (2, 3)]
    assert told.at.ToDatetime(UTC) == NOW


def test_topics_are_declared_as_the_architecture_says() -> None:
    declared = {topic.name: (topic.partitions, topic.retention_s) for topic in OWN_TOPICS}
    assert declared == {"codes.events.v1": (12, 28 * 86_400), "codes.standings.v1": (1, 2 * 86_400)}
    assert set(TOPICS.values()) == set(declared)


def message(found: ledger_words.EvidenceFound) -> Message:
    payload = found.SerializeToString()
    return Message(uuid4(), "/ledger", "t", "evidence/1", 1, NOW.isoformat(), "", "k", payload, "")


def test_what_the_ledger_found_becomes_evidence_that_may_have_ended() -> None:
    found = ledger_words.EvidenceFound(
        evidence_id=str(EVIDENCE), person_ref=str(PERSON), kind="close_contact", entry_id="e1"
    )
    found.observed_at.FromDatetime(NOW)
    evidence = finding_of(message(found))
    assert (evidence.evidence_id, evidence.person_ref, evidence.kind) == (EVIDENCE, PERSON, "close_contact")
    assert (evidence.observed_at, evidence.ended_at) == (NOW, None)
    found.ended_at.FromDatetime(NOW + timedelta(days=1))
    found.outcome = "quarantine_completed"
    ended = finding_of(message(found))
    assert (ended.ended_at, ended.outcome) == (NOW + timedelta(days=1), "quarantine_completed")


def test_a_finding_about_nobody_is_an_error() -> None:
    with pytest.raises(ValueError, match="UUID"):
        finding_of(message(ledger_words.EvidenceFound(evidence_id=str(EVIDENCE))))
