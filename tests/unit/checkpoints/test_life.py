"""The life of a checkpoint: which change each stage allows, and which version holds when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.checkpoints.domain.errors import ChangeRefused
from services.checkpoints.domain.life import (
    STAGES,
    Change,
    ChangeKind,
    holding,
    next_after,
    require_withdrawable,
    timeline_of,
)
from services.checkpoints.domain.scans import Checkpoint, Stage
from services.checkpoints.registry import Registry

NOON = datetime(2020, 2, 17, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDERS = [kind for kind in ChangeKind if kind is not ChangeKind.WITHDRAW]


def place(stage: Stage = Stage.OPEN) -> Checkpoint:
    return Checkpoint(uuid4(), "road", "G4", "", "440103001", "ABCDEFGHJKMN", stage=stage)


def change(number: int, ordered: ChangeKind, at: datetime = NOON, **more: object) -> Change:
    return Change(number, ordered, at, "li", NOON, "ordered", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("kind", ORDERS)
def test_every_stage_answers_every_change_by_the_table(stage, kind):
    allowed = STAGES[stage]
    if kind in allowed:
        versions = timeline_of(place(stage), [change(2, kind, successor=uuid4())])
        assert (versions[0].stage, versions[-1].stage) == (stage, allowed[kind])
        assert versions[-1].holds_from == NOON
    else:
        with pytest.raises(ChangeRefused, match=stage):
            timeline_of(place(stage), [change(2, kind)])


def test_every_stage_has_a_row_and_reaches_the_end():
    assert set(STAGES) == set(Stage)
    assert STAGES[Stage.MERGED] == {}
    for stage in Stage:
        reached, fresh = {stage}, {stage}
        while fresh:
            fresh = {after for each in fresh for after in STAGES[each].values()} - reached
            reached |= fresh
        assert Stage.MERGED in reached


def test_changes_hold_in_the_order_of_their_moments_not_of_their_orders():
    closing, moving = change(2, ChangeKind.CLOSE, NOON + 2 * HOUR), change(3, ChangeKind.MOVE, NOON + HOUR, name="G15")
    versions = timeline_of(place(), [closing, moving])
    assert [version.name for version in versions] == ["G4", "G15", "G15"]
    assert [version.is_open for version in versions] == [True, True, False]
    assert holding(versions, NOON) is versions[0]
    assert holding(versions, NOON + HOUR) is versions[1]
    assert holding(versions, NOON + 3 * HOUR) is versions[2]
    assert next_after(versions, NOON + HOUR) == NOON + 2 * HOUR
    assert next_after(versions, NOON + 2 * HOUR) is None


def test_of_two_changes_at_one_moment_both_hold_and_make_one_version():
    changes = [change(2, ChangeKind.MOVE, name="G15"), change(3, ChangeKind.CONVERT, kind="port")]
    versions = timeline_of(place(), changes)
    assert [(version.name, version.kind) for version in versions] == [("G4", "road"), ("G15", "port")]


def test_a_withdrawn_change_never_holds_and_only_what_is_ahead_can_be_withdrawn():
    closing = change(2, ChangeKind.CLOSE, NOON + HOUR)
    taken_back = change(3, ChangeKind.WITHDRAW, withdraws=2)
    require_withdrawable([closing], 2, NOON)
    assert len(timeline_of(place(), [closing, taken_back])) == 1
    for changes, number, now in (
        ([closing, taken_back], 2, NOON),
        ([closing], 2, NOON + HOUR),
        ([closing], 3, NOON),
    ):
        with pytest.raises(ChangeRefused, match="none that is ordered for later"):
            require_withdrawable(changes, number, now)


def test_a_scan_follows_mergers_to_the_last_successor_but_not_before_their_moments():
    first, second, third = place(), place(), place()
    timelines = [
        timeline_of(first, [change(2, ChangeKind.MERGE, NOON, successor=second.checkpoint_id)]),
        timeline_of(second, [change(2, ChangeKind.MERGE, NOON + HOUR, successor=third.checkpoint_id)]),
        (third,),
    ]
    registry = Registry(lambda since: (timelines, NOON))
    registry.refresh()
    for at, expected in ((NOON - HOUR, first), (NOON, second), (NOON + HOUR, third)):
        found = registry.find(first.checkpoint_id, at)
        assert found is not None
        assert registry.taker(found, at).checkpoint_id == expected.checkpoint_id
