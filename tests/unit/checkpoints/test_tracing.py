"""The tracing rule: windows, grades, and the last meeting of each contact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest

from services.checkpoints.domain.errors import TracingRuleIncomplete
from services.checkpoints.domain.scans import KINDS
from services.checkpoints.domain.tracing import (
    CaseScan,
    Grade,
    Meeting,
    last_of_each_grade,
    new_or_later,
    read_tracing_rule,
    watches_of,
)
from services.checkpoints.settings import HERE

DOCUMENT = json.loads((HERE / "tracing" / "default.json").read_text())
RULE = read_tracing_rule(DOCUMENT)
AT = datetime(2022, 11, 22, 8, 0, tzinfo=UTC)
PERSON = UUID(int=7)


def case_scan(kind: str, vehicle_ref: UUID | None = None) -> CaseScan:
    return CaseScan(uuid4(), uuid4(), kind, vehicle_ref, AT)


def meeting(grade: Grade, apart_s: float, person: UUID = PERSON, *, days: float = 0) -> Meeting:
    return Meeting(person, grade, uuid4(), "mall", "440103", AT + timedelta(days=days), apart_s, uuid4(), uuid4())


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


LONG_AGO = AT - timedelta(days=30)


def in_every_order(meetings: Sequence[Meeting], told_since: datetime = LONG_AGO) -> list[Meeting]:
    found = {tuple(last_of_each_grade(order, told_since)) for order in permutations(meetings)}
    assert len(found) == 1
    return list(found.pop())


def test_a_contact_is_dated_by_the_last_meeting_and_not_by_the_nearest():
    near_week_ago, far_now = meeting(Grade.GENERAL, 1, days=-7), meeting(Grade.GENERAL, 20)
    assert in_every_order([near_week_ago, far_now]) == [far_now]
    close_week_ago, close_now = meeting(Grade.CLOSE, 1, days=-7), meeting(Grade.CLOSE, 900)
    assert in_every_order([close_week_ago, close_now]) == [close_now]
    nearer, farther = meeting(Grade.CLOSE, 1), meeting(Grade.CLOSE, 2)
    assert in_every_order([farther, nearer]) == [nearer], "of one moment the nearer"


def test_a_general_meeting_after_a_close_one_has_its_own_date_and_one_before_it_says_nothing():
    close = meeting(Grade.CLOSE, 30, days=-7)
    before, same, after = (meeting(Grade.GENERAL, 1, days=days) for days in (-8, -7, 0))
    assert in_every_order([close, before, same]) == [close]
    assert in_every_order([close, before, after]) == [after, close]
    other = meeting(Grade.GENERAL, 5, UUID(int=8), days=-9)
    assert in_every_order([other, close, after]) == [after, close, other]


def test_a_meeting_that_may_be_told_stands_before_one_of_long_ago():
    """Else somebody who was met yesterday would be left out for having been met more closely last month."""
    yesterday = meeting(Grade.GENERAL, 90)
    last_month = meeting(Grade.CLOSE, 5, days=-30)
    assert in_every_order([yesterday, last_month], AT) == [yesterday, last_month]
    assert new_or_later([yesterday], {(PERSON, Grade.CLOSE): (False, last_month.met_at)}, AT) == [yesterday]
    assert new_or_later([last_month], {(PERSON, Grade.GENERAL): (True, AT)}, AT) == [last_month]
    assert new_or_later([last_month], {}, AT) == [last_month]


def test_only_new_and_later_meetings_are_told_again():
    close, later = meeting(Grade.CLOSE, 30, days=-7), meeting(Grade.CLOSE, 900)
    general, general_now = meeting(Grade.GENERAL, 1, days=-8), meeting(Grade.GENERAL, 1)
    assert new_or_later([close], {}, LONG_AGO) == [close]
    assert new_or_later([close], {(PERSON, Grade.GENERAL): (True, AT)}, LONG_AGO) == [close]
    known = {(PERSON, Grade.CLOSE): (True, close.met_at)}
    assert new_or_later([close], known, LONG_AGO) == []
    assert new_or_later([general], known, LONG_AGO) == []
    assert new_or_later([general_now], known, LONG_AGO) == [general_now]
    assert new_or_later([later], known, LONG_AGO) == [later]
    assert new_or_later([close], {(PERSON, Grade.CLOSE): (True, AT)}, LONG_AGO) == [], "an earlier one shortens nothing"


def test_a_later_meeting_that_may_not_be_told_displaces_none_that_was():
    told, later = meeting(Grade.CLOSE, 30, days=-9), meeting(Grade.CLOSE, 30, days=-8)
    assert new_or_later([later], {(PERSON, Grade.CLOSE): (True, told.met_at)}, AT) == []
    assert new_or_later([later], {(PERSON, Grade.CLOSE): (False, told.met_at)}, AT) == [later]


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_that_leaves_a_kind_out_is_refused(kind):
    kinds = {name: window for name, window in DOCUMENT["kinds"].items() if name != kind}
    with pytest.raises(TracingRuleIncomplete, match=kind):
        read_tracing_rule(DOCUMENT | {"kinds": kinds})
