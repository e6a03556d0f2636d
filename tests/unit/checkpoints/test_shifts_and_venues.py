"""A shift is on duty until it signs off; a scan moves somebody or nobody."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from services.checkpoints.domain.errors import ShiftSignedOff
from services.checkpoints.domain.shifts import STAGES, Shift, ShiftStage, ShiftStep, after
from services.checkpoints.domain.venues import Occupancy, counts
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
        ({"revision": 2}, False),
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
