"""The tracing rule: windows, grades, and the strongest meeting of each contact."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.checkpoints.domain.errors import TracingRuleIncomplete
from services.checkpoints.domain.scans import KINDS
from services.checkpoints.domain.tracing import (
    CaseScan,
    Grade,
    Meeting,
    new_or_upgraded,
    read_tracing_rule,
    strongest,
    watches_of,
)
from services.checkpoints.settings import HERE

DOCUMENT = json.loads((HERE / "tracing" / "default.json").read_text())
RULE = read_tracing_rule(DOCUMENT)
AT = datetime(2022, 11, 22, 8, 0, tzinfo=UTC)
PERSON = UUID(int=7)


def case_scan(kind: str, vehicle_ref: UUID | None = None) -> CaseScan:
    return CaseScan(uuid4(), uuid4(), kind, vehicle_ref, AT)


def meeting(grade: Grade, apart_s: float, person: UUID = PERSON) -> Meeting:
    return Meeting(person, grade, uuid4(), "mall", "440103", AT, apart_s, uuid4(), uuid4())


@pytest.mark.parametrize("kind", ["mall", "workplace", "school", "hospital", "building", "port"])
def test_a_venue_makes_close_contacts_within_thirty_minutes(kind):
    scan = case_scan(kind)
    [watch] = watches_of(RULE, [scan])
    assert (watch.grade, watch.checkpoint_id, watch.vehicle_ref) == (Grade.CLOSE, scan.checkpoint_id, None)
    assert (watch.from_at, watch.to_at) == (AT - timedelta(minutes=30), AT + timedelta(minutes=30))


def test_the_metro_makes_general_contacts_within_two_minutes():
    [watch] = watches_of(RULE, [case_scan("metro")])
    assert watch.grade is Grade.GENERAL
    assert watch.to_at - watch.from_at == timedelta(minutes=4)


@pytest.mark.parametrize("kind", ["bus", "road"])
def test_bus_and_road_make_contacts_in_the_same_vehicle_only(kind):
    vehicle = uuid4()
    [watch] = watches_of(RULE, [case_scan(kind, vehicle), case_scan(kind)])
    assert (watch.grade, watch.checkpoint_id, watch.vehicle_ref) == (Grade.CLOSE, None, vehicle)


def test_a_compound_makes_none():
    assert watches_of(RULE, [case_scan("compound")]) == []


def test_of_each_person_the_strongest_grade_then_the_nearest_meeting():
    far, near, general = meeting(Grade.CLOSE, 900), meeting(Grade.CLOSE, 30), meeting(Grade.GENERAL, 1)
    assert strongest([general, far, near], AT) == [near]
    other = meeting(Grade.GENERAL, 5, UUID(int=8))
    assert strongest([other, near], AT) == [near, other]


def test_a_meeting_that_may_be_told_stands_before_a_closer_one_of_long_ago():
    """Else somebody who was met yesterday would be left out for having been met more closely last month."""
    yesterday = meeting(Grade.GENERAL, 90)
    last_month = replace(meeting(Grade.CLOSE, 5), met_at=AT - timedelta(microseconds=1))
    for order in ([yesterday, last_month], [last_month, yesterday]):
        assert strongest(order, AT) == [yesterday]
    assert strongest([last_month], AT) == [last_month]
    assert new_or_upgraded([yesterday], {PERSON: (False, Grade.CLOSE)}, AT) == [yesterday]
    assert new_or_upgraded([last_month], {PERSON: (True, Grade.GENERAL)}, AT) == []
    assert new_or_upgraded([last_month], {}, AT) == [last_month]


def test_only_new_and_upgraded_contacts_are_told_again():
    close = meeting(Grade.CLOSE, 30)
    assert new_or_upgraded([close], {}, AT) == [close]
    assert new_or_upgraded([close], {PERSON: (True, Grade.GENERAL)}, AT) == [close]
    assert new_or_upgraded([close], {PERSON: (True, Grade.CLOSE)}, AT) == []
    assert new_or_upgraded([meeting(Grade.GENERAL, 1)], {PERSON: (True, Grade.CLOSE)}, AT) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_that_leaves_a_kind_out_is_refused(kind):
    kinds = {name: window for name, window in DOCUMENT["kinds"].items() if name != kind}
    with pytest.raises(TracingRuleIncomplete, match=kind):
        read_tracing_rule(DOCUMENT | {"kinds": kinds})
