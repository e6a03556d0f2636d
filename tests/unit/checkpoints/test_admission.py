"""Every combination of what can be so at a gate has exactly one outcome, and it is the strictest."""

from __future__ import annotations

import itertools
import json
import random
from contextlib import nullcontext
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.checkpoints.domain.admission import NOBODY, Standing, decide, worst
from services.checkpoints.domain.errors import PolicyIncomplete
from services.checkpoints.domain.policy import OUTCOMES, SINCE, RegistrationOutcome, read_policy
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


YES_OR_NO = (False, True)


def combinations():
    """Everything that can be so at a gate at once: (kind, what is passed to `decide`, the outcomes that are so)."""
    flags = (YES_OR_NO,) * 7
    for kind, fault, colour, *so in itertools.product(KINDS, FAULTS, Colour, *flags):
        is_stale, is_void, has_fever, has_no_mask, is_reused, is_revoked, is_clock_off = so
        if fault and (colour is not Colour.UNKNOWN or is_stale or is_void or is_reused):
            continue  # a pass with a fault names nobody, so there is nothing to look up
        standing = NOBODY if fault else Standing(colour, 7, is_stale, is_void)
        given = {"fault": fault, "standing": standing, "has_fever": has_fever}
        given |= {"has_no_mask": has_no_mask, "is_reused": is_reused, "is_revoked": is_revoked}
        given["is_clock_off"] = is_clock_off
        outcomes = {fault} if fault else {colour}
        for is_so, refusal in zip(so, FLAGGED, strict=True):
            outcomes |= {refusal} if is_so else set()
        yield kind, given, outcomes


FLAGGED = (
    Refusal.BOARD_STALE,
    Refusal.PASS_VOID,
    Refusal.FEVER,
    Refusal.NO_MASK,
    Refusal.PASS_REUSED,
    Refusal.CHECKPOINT_REVOKED,
    Refusal.CLOCK_OFF,
)
PRECEDENCE = (
    Refusal.CHECKPOINT_REVOKED,
    Refusal.CLOCK_OFF,
    Refusal.PASS_VOID,
    Refusal.PASS_REUSED,
    Refusal.FEVER,
    Refusal.NO_MASK,
    Refusal.BOARD_STALE,
)
"""Of equally strict outcomes which is told first; a pass's fault stands where a void one does, the colour last."""


def a_policy(chance):
    """A policy whose decisions are drawn at random."""
    document = deepcopy(DOCUMENT)
    words = {"zh": "字", "en": "word"}
    document["words"] = {o.value: {d.value: words for d in Decision} for o in OUTCOMES}
    for kind in document["kinds"].values():
        kind["decisions"] = {outcome.value: chance.choice(list(Decision)).value for outcome in OUTCOMES}
    return read_policy(document)


@pytest.mark.parametrize("policy", [POLICY, a_policy(random.Random(1)), a_policy(random.Random(2))])
def test_every_combination_has_exactly_one_outcome_with_words_and_it_is_the_strictest(policy):
    seen = 0
    for kind, given, outcomes in combinations():
        rule = policy.kinds[kind]
        admission = decide(rule, **given)
        assert admission == decide(rule, **given)
        outcome = admission.refusal or admission.colour
        assert outcome in outcomes
        assert admission.decision is rule.decisions[outcome]
        assert STRICTNESS[admission.decision] == max(STRICTNESS[rule.decisions[each]] for each in outcomes)
        words = policy.words(kind, admission.colour, admission.refusal)
        assert words.zh and words.en  # noqa: PT018
        seen += 1
    assert seen == 10 * (5 * 2**7 + (len(FAULTS) - 1) * 2**4)


def test_of_equally_strict_outcomes_the_first_in_the_order_of_precedence_is_told():
    document = deepcopy(DOCUMENT)
    words = {"zh": "字", "en": "word"}
    document["words"] = {o.value: {d.value: words for d in Decision} for o in OUTCOMES}
    for kind in document["kinds"].values():
        kind["decisions"] = {outcome.value: "check" for outcome in OUTCOMES}
    rule = read_policy(document).kinds["metro"]
    seen = 0
    for kind, given, outcomes in combinations():
        if kind == "metro":
            order = [given["fault"] if each is Refusal.PASS_VOID and given["fault"] else each for each in PRECEDENCE]
            first = next((each for each in order if each in outcomes), None)
            assert decide(rule, **given).refusal is first
            seen += 1
    assert seen == 5 * 2**7 + (len(FAULTS) - 1) * 2**4


def test_who_wears_no_mask_is_told_so_and_who_was_not_looked_at_is_not():
    green = Standing(Colour.GREEN, 3)
    seen = decide(POLICY.kinds["metro"], fault=None, standing=green, has_fever=False, has_no_mask=True)
    unseen = decide(POLICY.kinds["metro"], fault=None, standing=green, has_fever=False)
    assert (seen.decision, seen.refusal) == (Decision.STOP, Refusal.NO_MASK)
    assert (unseen.decision, unseen.refusal) == (Decision.PASS, None)


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


def test_a_policy_that_was_signed_before_gates_had_clocks_off_is_complete_and_checks_them():
    document = deepcopy(DOCUMENT)
    for kind in document["kinds"].values():
        del kind["decisions"]["clock_off"]
    del document["words"]["clock_off"]
    for rule in read_policy(document).kinds.values():
        assert rule.decisions[Refusal.CLOCK_OFF] is Decision.CHECK
        assert rule.words[Refusal.CLOCK_OFF].zh


def test_words_and_policy_agree_on_who_may_be_registered():
    for kind in POLICY.kinds.values():
        asked = {outcome for outcome, say in kind.words.items() if "登记" in say.zh or "register" in say.en.lower()}
        assert bool(asked) is (kind.registration is not None), asked


@pytest.mark.parametrize("outcome", [outcome.value for outcome in OUTCOMES if outcome not in SINCE])
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


def test_every_gap_is_named_at_once():
    document = deepcopy(DOCUMENT)
    del document["kinds"]["port"], document["offline"]["stale_s"], document["words"]["fever"]["stop"]
    document["kinds"]["metro"]["compare"] = {"credentials": ["passport"], "outcomes": ["green"]}
    document["kinds"]["bus"]["decisions"]["red"] = "maybe"
    document["surprise"] = 1
    with pytest.raises(PolicyIncomplete) as told:
        read_policy(document)
    for name in (
        "kinds.port",
        "offline.stale_s",
        "words.fever.stop (for metro)",
        "kinds.metro.compare.credentials",
        "kinds.bus.decisions.red",
        "surprise",
    ):
        assert sum(gap.startswith(name) for gap in told.value.gaps) == 1, name


@pytest.mark.parametrize(
    "at",
    [
        ("kinds",),
        ("words",),
        ("offline",),
        ("policy",),
        ("kinds", "metro"),
        ("kinds", "metro", "decisions"),
        ("kinds", "metro", "compare"),
        ("words", "red"),
        ("kinds", "compound", "words"),
        ("offline", "stale_s"),
        ("kinds", "bus", "decisions", "red"),
    ],
)
@pytest.mark.parametrize("value", [None, 7, "x", [], [1], {"a": 1}, True, 1e300])
def test_a_policy_with_something_else_in_its_place_is_refused_and_never_breaks(at, value):
    document = deepcopy(DOCUMENT)
    holder = document
    for step in at[:-1]:
        holder = holder[step]
    holder[at[-1]] = value
    is_allowed = (at, value) in ((("kinds", "metro", "compare"), None), (("offline", "stale_s"), 7))
    with nullcontext() if is_allowed else pytest.raises(PolicyIncomplete):
        read_policy(document)


def test_the_packaged_files_are_where_the_settings_say():
    assert Path(HERE / "policies" / "default.json").is_file()
    assert Path(HERE / "tracing" / "default.json").is_file()


def test_people_are_registered_in_place_at_road_compound_and_port_and_a_fever_lets_nobody_through():
    rules = {kind: policy.registration for kind, policy in POLICY.kinds.items() if policy.registration}
    assert set(rules) == {"road", "compound", "port"}
    for rule in rules.values():
        assert rule.decisions[RegistrationOutcome.FEVER] is Decision.STOP
        assert all(words.zh and words.en for words in rule.words.values())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"decisions": {"registered": "pass"}}, "road.registration.decisions.fever"),
        ({"decisions": {"registered": "pass", "fever": "run"}}, "road.registration.decisions.fever"),
        ({"words": {"registered": {"zh": "字", "en": "word"}}}, "road.registration.words.fever"),
        ({"decisions": {"registered": "pass", "fever": "stop", "flu": "stop"}}, "road.registration.flu"),
        ({"words": None}, "words"),
        ({"due": 1}, "road.registration"),
    ],
)
def test_a_registration_rule_with_a_gap_is_refused(change, named):
    document = deepcopy(DOCUMENT)
    document["kinds"]["road"]["registration"] |= change
    with pytest.raises(PolicyIncomplete, match=named):
        read_policy(document)
