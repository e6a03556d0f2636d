"""Every combination of what can be so at a gate has exactly one outcome, and it is the strictest."""

from __future__ import annotations

import itertools
import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.checkpoints.domain.admission import NOBODY, Standing, decide, worst
from services.checkpoints.domain.errors import PolicyIncomplete
from services.checkpoints.domain.policy import OUTCOMES, read_policy
from services.checkpoints.domain.scans import KINDS, STRICTNESS, Colour, Decision, Refusal, Ruling
from services.checkpoints.settings import HERE

DOCUMENT = json.loads((HERE / "policies" / "default.json").read_text())
POLICY = read_policy(DOCUMENT)
FAULTS = (
    None,
    Refusal.PASS_FORGED,
    Refusal.PASS_EXPIRED,
    Refusal.PASS_NOT_YET_VALID,
    Refusal.WRONG_HOLDER,
    Refusal.UNKNOWN_PERSON,
)


def combinations():
    for kind, fault, colour, is_stale, has_fever in itertools.product(KINDS, FAULTS, Colour, (0, 1), (0, 1)):
        standing = NOBODY if fault else Standing(colour, 7, bool(is_stale))
        yield kind, fault, standing, bool(has_fever)


def test_every_combination_has_exactly_one_outcome_with_words():
    seen = 0
    for kind, fault, standing, has_fever in combinations():
        policy = POLICY.kinds[kind]
        admission = decide(policy, fault=fault, standing=standing, has_fever=has_fever)
        assert admission == decide(policy, fault=fault, standing=standing, has_fever=has_fever)
        words = POLICY.words(kind, admission.colour, admission.refusal)
        assert words.zh and words.en  # noqa: PT018
        assert admission.decision is policy.decisions[admission.refusal or admission.colour]
        seen += 1
    assert seen == 10 * len(FAULTS) * 5 * 2 * 2


def test_nothing_that_is_so_would_have_been_decided_more_strictly():
    for kind, fault, standing, has_fever in combinations():
        policy = POLICY.kinds[kind]
        decided = decide(policy, fault=fault, standing=standing, has_fever=has_fever).decision
        so = [fault] if fault else [standing.colour]
        so += [Refusal.FEVER] if has_fever else []
        so += [Refusal.BOARD_STALE] if standing.is_stale else []
        assert STRICTNESS[decided] == max(STRICTNESS[policy.decisions[outcome]] for outcome in so)


def test_a_colour_that_stops_is_no_refusal():
    admission = decide(POLICY.kinds["metro"], fault=None, standing=Standing(Colour.RED, 3), has_fever=False)
    assert (admission.decision, admission.colour, admission.refusal) == (Decision.STOP, Colour.RED, None)


def test_a_green_person_with_a_fever_is_stopped_at_the_metro_and_led_to_the_fever_clinic_at_a_hospital():
    green = Standing(Colour.GREEN, 3)
    metro = decide(POLICY.kinds["metro"], fault=None, standing=green, has_fever=True)
    hospital = decide(POLICY.kinds["hospital"], fault=None, standing=green, has_fever=True)
    assert (metro.decision, metro.refusal) == (Decision.STOP, Refusal.FEVER)
    assert (hospital.decision, hospital.refusal) == (Decision.CHECK, Refusal.FEVER)
    assert "fever clinic" in POLICY.words("hospital", hospital.colour, hospital.refusal).en


def test_no_hospital_turns_anybody_away():
    decisions = POLICY.kinds["hospital"].decisions
    assert not [outcome for outcome in OUTCOMES if decisions[outcome] is Decision.STOP]


def test_an_old_red_still_stops_and_an_old_green_is_checked():
    red = decide(POLICY.kinds["metro"], fault=None, standing=Standing(Colour.RED, 3, is_stale=True), has_fever=False)
    green = decide(
        POLICY.kinds["metro"], fault=None, standing=Standing(Colour.GREEN, 3, is_stale=True), has_fever=False
    )
    assert (red.decision, red.refusal) == (Decision.STOP, None)
    assert (green.decision, green.refusal) == (Decision.CHECK, Refusal.BOARD_STALE)


def test_an_index_beyond_the_list_is_void():
    beyond = Standing(Colour.UNKNOWN, 3, is_void=True)
    assert decide(POLICY.kinds["metro"], fault=None, standing=beyond, has_fever=False).refusal is Refusal.PASS_VOID


def test_a_vehicle_is_told_the_strictest():
    now = datetime.now(UTC)
    rulings = [Ruling(Decision(word), Colour.GREEN, None, "default@1", 1, now) for word in ("pass", "stop", "check")]
    assert worst(rulings) is rulings[1]


@pytest.mark.parametrize("outcome", [outcome.value for outcome in OUTCOMES])
def test_a_policy_without_a_decision_is_refused(outcome):
    document = deepcopy(DOCUMENT)
    del document["kinds"]["port"]["decisions"][outcome]
    with pytest.raises(PolicyIncomplete, match=f"port.decisions.{outcome}"):
        read_policy(document)


def test_a_policy_without_words_is_refused():
    document = deepcopy(DOCUMENT)
    del document["words"]["red"]["stop"]["en"]
    with pytest.raises(PolicyIncomplete, match=r"words.red.stop"):
        read_policy(document)


def test_a_policy_with_an_unknown_outcome_or_kind_is_refused():
    document = deepcopy(DOCUMENT)
    document["kinds"]["metro"]["decisions"]["purple"] = "pass"
    with pytest.raises(PolicyIncomplete, match="purple"):
        read_policy(document)
    document = deepcopy(DOCUMENT)
    document["kinds"]["ferry"] = document["kinds"]["metro"]
    with pytest.raises(PolicyIncomplete, match="ferry"):
        read_policy(document)


def test_the_packaged_files_are_where_the_settings_say():
    assert Path(HERE / "policies" / "default.json").is_file()
    assert Path(HERE / "tracing" / "default.json").is_file()
