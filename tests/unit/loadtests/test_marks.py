"""What a load client looks for in an answer is what the service writes of a right one, and of no other."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from chassis.ids import uuid7
from guanka.keys import SHIPPED_POLICY
from loadtests.population import COLOURS
from loadtests.scenarios.scans import marks
from loadtests.scenarios.turns import wrong_answers
from services.checkpoints.answers import answer
from services.checkpoints.domain.admission import Standing, decide
from services.checkpoints.domain.policy import Say, read_policy
from services.checkpoints.domain.scans import Attempt, Checkpoint, Colour, Ruling

POLICY = read_policy(json.loads(SHIPPED_POLICY.read_text()))
NOW = datetime(2022, 6, 28, 8, tzinfo=UTC)
GATE = Checkpoint(uuid7(NOW), "metro", "", "", "440103", "")


class Policies:
    """The shipped one, which the load stack starts with."""

    def words(self, kind: str, ruling: Ruling) -> Say:
        return POLICY.words(kind, ruling.colour, ruling.refusal)


def told(colour: str, *, is_stale: bool = False, is_void: bool = False, **found: bool) -> bytes:
    """The api's answer to somebody at a metro gate."""
    standing = Standing(Colour(colour), 1, is_stale, is_void)
    given: dict[str, Any] = {"fault": None, "has_fever": False, **found}
    decided = decide(POLICY.kinds["metro"], standing=standing, **given)
    ruling = Ruling(decided.decision, decided.colour, decided.refusal, POLICY.version, 1, NOW)
    attempt = Attempt(uuid7(NOW), GATE.checkpoint_id, NOW, b"")
    return orjson.dumps(answer(attempt, GATE, ruling, Policies()), option=orjson.OPT_UTC_Z)  # type: ignore[arg-type]


@pytest.mark.parametrize("colour", COLOURS)
def test_the_decision_of_the_metros_policy_for_a_colour_is_right(colour: str) -> None:
    assert wrong_answers(told(colour), [marks()[colour]]) == 0
    assert wrong_answers(b"[%b,%b]" % (told(colour), told(colour)), [marks()[colour]] * 2) == 0


def test_green_is_let_in_and_red_is_not() -> None:
    assert marks()["green"].startswith(b'"decision":"pass","colour":"green"')
    assert marks()["red"].startswith(b'"decision":"stop","colour":"red"')


@pytest.mark.parametrize("found", [{"is_stale": True}, {"is_reused": True}, {"is_void": True}, {"has_fever": True}])
@pytest.mark.parametrize("colour", ["green", "lapsed"])
def test_the_right_colour_with_another_decision_or_a_refusal_is_wrong(colour: str, found: dict[str, bool]) -> None:
    """A run throughout on a stale board, or on passes that count as used elsewhere, stops everybody in their colour."""
    answered = told(colour, **found)
    assert f'"colour":"{colour}"'.encode() in answered
    assert wrong_answers(answered, [marks()[colour]]) == 1
    assert wrong_answers(b"[%b,%b]" % (answered, told(colour)), [marks()[colour]] * 2) == 1
