"""A shift is on duty until it signs off; a scan moves somebody or nobody."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoints.domain.errors import ShiftSignedOff
from services.checkpoints.domain.shifts import STAGES, Shift, ShiftStage, ShiftStep, after
from services.checkpoints.domain.venues import Occupancy, counts, crossings, strangers_after
from tests.integration.checkpoints.town import scan_fact

NOON = datetime(2020, 2, 17, 4, tzinfo=UTC)
ON_DUTY = Shift(uuid4(), uuid4(), 4, 1, "li", NOON)
SHIFTS = {ShiftStage.ON_DUTY: ON_DUTY, ShiftStage.SIGNED_OFF: after(ON_DUTY, ShiftStep.SIGN_OFF, by="li", now=NOON)}


@pytest.mark.parametrize("stage", ShiftStage)
@pytest.mark.parametrize("step", ShiftStep)
def test_every_stage_answers_every_step_by_the_table(stage, step):
    shift = SHIFTS[stage]
    if step in STAGES[stage]:
        changed = after(shift, step, by="wang", now=NOON)
        assert (changed.stage, changed.version) == (STAGES[stage][step], shift.version + 1)
    else:
        with pytest.raises(ShiftSignedOff):
            after(shift, step, by="wang", now=NOON)


def test_every_stage_has_a_row_and_the_last_one_is_empty():
    assert set(STAGES) == set(ShiftStage)
    assert STAGES[ShiftStage.SIGNED_OFF] == {}


@pytest.mark.parametrize(
    ("more", "moves"),
    [
        ({}, True),
        ({"direction": "out"}, True),
        ({"direction": "out", "decision": "stop"}, True),
        ({"decision": "check"}, True),
        ({"decision": "stop"}, False),
        ({"decision": "stop", "offline_decision": "pass"}, True),
        ({"decision": "pass", "offline_decision": "stop"}, False),
        ({"direction": ""}, False),
        ({"revision": 2}, True),
        ({"revision": 2, "person_ref": None}, False),
        ({"person_ref": None}, False),
        ({"person_ref": None, "list": 0}, True),
        ({"repeat_of": uuid4()}, False),
        ({"is_self_reported": True}, False),
        ({"vehicle_ref": uuid4()}, True),
        ({"vehicle_ref": uuid4(), "person_ref": None, "list": 0}, False),
    ],
)
def test_who_is_let_in_or_goes_out_is_counted_once(more, moves):
    assert counts(scan_fact(NOON, **more)) is moves


def test_nobody_is_inside_where_more_left_than_came():
    assert Occupancy("A mall", date(2020, 2, 17), 3, 5).inside == 0
    assert Occupancy("A mall", date(2020, 2, 17), 5, 3).inside == 2
    assert Occupancy("A mall", date(2020, 2, 17), 5, 3, 1).inside == 3


Movements = list[tuple[int, int, bool]]
"""(person, moment, whether in), in the order in which they are learnt of."""


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.booleans()), unique_by=lambda m: m[:2], max_size=25)
)
def test_in_whichever_order_movements_are_learnt_of_those_are_inside_who_came_in_last(learnt: Movements) -> None:
    """Each is counted once, by what stood beside it when it came; nobody takes another along."""
    entered = departed = 0
    known: dict[int, dict[int, bool]] = defaultdict(dict)
    for person, at, is_in in learnt:
        others = known[person]
        before = max((other for other in others if other < at), default=None)
        after = min((other for other in others if other > at), default=None)
        more = crossings(others.get(before), is_in, others.get(after))  # type: ignore[arg-type]
        assert min(more) >= 0
        entered, departed = entered + more[0], departed + more[1]
        others[at] = is_in
        inside = sum(moves[max(moves)] for moves in known.values() if moves)
        assert entered - departed == inside


@given(st.lists(st.lists(st.booleans(), max_size=6), max_size=6))
def test_of_strangers_never_fewer_than_none_are_inside(batches: list[list[bool]]) -> None:
    inside = slowly = 0
    for batch in batches:
        net, at_least = strangers_after(batch)
        inside = max(inside + net, at_least)
        for is_in in batch:
            slowly = max(0, slowly + (1 if is_in else -1))
        assert inside == slowly
