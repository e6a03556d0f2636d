"""What follows a hot reading, and when a device is silent or drifts."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from services.checkpoints.domain.devices import (
    READINGS_MIN,
    Device,
    DeviceKind,
    Measured,
    Reading,
    expectations,
    is_drifting,
    is_silent,
    on_duty_since,
)
from services.checkpoints.domain.errors import StepRefused
from services.checkpoints.domain.measurement import STAGES, CaseStage, MeasurementCase, Step, step_of, stepped

NOON = datetime(2020, 2, 17, 4, tzinfo=UTC)
CITY = ZoneInfo("Asia/Shanghai")
MINUTE = timedelta(minutes=1)


def case(stage: CaseStage) -> MeasurementCase:
    return MeasurementCase(uuid4(), uuid4(), "T-1", uuid4(), 37.8, stage, 3, NOON, NOON + 15 * MINUTE)


@pytest.mark.parametrize("stage", CaseStage)
@pytest.mark.parametrize("step", Step)
def test_every_stage_answers_every_step_by_the_table(stage, step):
    if step in STAGES[stage]:
        after = stepped(case(stage), step, NOON)
        assert (after.stage, after.version) == (STAGES[stage][step], 4)
        assert (after.closed_at == NOON) == (STAGES[after.stage] == {})
    else:
        with pytest.raises(StepRefused, match=stage):
            stepped(case(stage), step, NOON)


def test_every_stage_has_a_row_and_reaches_the_end():
    assert set(STAGES) == set(CaseStage)
    for stage in CaseStage:
        reached, fresh = {stage}, {stage}
        while fresh:
            fresh = {after for each in fresh for after in STAGES[each].values()} - reached
            reached |= fresh
        assert any(STAGES[each] == {} for each in reached)


def test_the_temperature_says_which_step_a_second_measurement_is():
    assert (step_of(37.2), step_of(37.3)) == (Step.MEASURED_NORMAL, Step.MEASURED_HOT)
    assert Reading(uuid4(), 37.3, NOON).is_hot()
    assert not Reading(uuid4(), 37.2, NOON).is_hot()
    assert not Reading(uuid4(), None, NOON).is_hot()


def device(*, on_from: time | None = None, on_to: time | None = None) -> Device:
    return Device("T-1", DeviceKind.THERMAL_CAMERA, uuid4(), 0.5, 600, on_from, on_to)


@pytest.mark.parametrize(
    ("heard", "placed", "opened", "silent"),
    [(9, 99, 99, False), (11, 99, 99, True), (None, 9, 99, False), (None, 99, 9, False), (None, 99, 99, True)],
)
def test_silence_counts_from_when_a_device_was_heard_placed_or_its_checkpoint_opened(heard, placed, opened, silent):
    assert silent == is_silent(
        device(),
        heard_at=None if heard is None else NOON - heard * MINUTE,
        placed_at=NOON - placed * MINUTE,
        opened_at=NOON - opened * MINUTE,
        now=NOON,
        zone=CITY,
    )


@pytest.mark.parametrize(
    ("hour", "minute", "silent"),
    [(5, 59, False), (6, 9, False), (6, 11, True), (23, 29, True), (23, 31, False), (2, 0, False)],
)
def test_nobody_waits_for_a_device_outside_its_hours(hour, minute, silent):
    now = datetime(2020, 2, 17, hour, minute, tzinfo=CITY).astimezone(UTC)
    long_ago = now - timedelta(days=9)
    given = {"heard_at": long_ago, "placed_at": long_ago, "opened_at": long_ago, "now": now, "zone": CITY}
    assert is_silent(device(on_from=time(6), on_to=time(23, 30)), **given) == silent


def test_hours_may_reach_over_midnight():
    at_night = device(on_from=time(22), on_to=time(5))
    two = datetime(2020, 2, 17, 2, tzinfo=CITY)
    assert on_duty_since(at_night, two.astimezone(UTC), CITY) == datetime(2020, 2, 16, 22, tzinfo=CITY)
    assert on_duty_since(at_night, two.replace(hour=12).astimezone(UTC), CITY) is None


def measured(name: str, median_c: float, *, readings: int = READINGS_MIN) -> Measured:
    return Measured(name, DeviceKind.THERMAL_CAMERA, median_c, readings)


def test_a_device_should_measure_what_the_others_of_its_kind_do():
    fleet = [measured(f"T-{n}", 36.4 + n / 100) for n in range(4)]
    found = expectations([*fleet, measured("T-9", 37.1)])
    assert found["T-9"] == pytest.approx(36.415)
    assert is_drifting(37.1 - found["T-9"], was_drifting=False)
    assert not any(is_drifting(each.median_c - found[each.device_id], was_drifting=False) for each in fleet)


def test_where_there_are_too_few_others_its_own_day_before_must_say():
    assert expectations([measured("T-1", 37.0), measured("T-2", 36.5)]) == {"T-1": None, "T-2": None}


def test_too_few_readings_judge_nobody():
    assert expectations([measured("T-1", 39.0, readings=READINGS_MIN - 1)]) == {}


def test_a_drifting_device_is_well_again_only_within_half_of_the_limit():
    assert [is_drifting(0.4, was_drifting=was) for was in (False, True)] == [False, True]
    assert not is_drifting(0.25, was_drifting=True)
