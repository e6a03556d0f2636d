"""Whom a gate takes its policies from, and for how long it decides by what it was given."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guanka.gate.deciding import Taken, decide_offline
from guanka.gate.forms import admit_alone, read_form_of
from guanka.gate.knowledge import BundleRefused, Knowledge, read_bundle
from guanka.gate.reading import read_scan
from guanka.gate.starting import start
from guanka.home import Home
from services.checkpoints.domain.scans import Decision, Refusal
from tests.integration.checkpoints.town import SHIPPED_POLICY, Key, PolicyOffice
from tests.unit.guanka.city_hall import LIFE, CityHall, policy, with_signer
from tests.unit.guanka.post import NOW, PLACE, Post

HOUR = timedelta(hours=1)


@pytest.fixture
def city() -> CityHall:
    return CityHall()


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path / "gate")


def lax(version: str = "lax@1") -> dict[str, Any]:
    """Whoever is red passes."""
    kinds = {
        name: kind | {"decisions": dict.fromkeys(kind["decisions"], "pass")}
        for name, kind in SHIPPED_POLICY["kinds"].items()
    }
    words = {outcome: {"pass": {"zh": "字", "en": "word"}} for outcome in SHIPPED_POLICY["words"]}
    return policy(version) | {"kinds": kinds, "words": words}


def by(office: PolicyOffice, bundle: dict[str, Any]) -> dict[str, Any]:
    """The same bundle with a policy and keys of somebody else."""
    return bundle | {"policy": office.sign(lax()), "policy_jwks": office.jwks()}


def version_of(post: Post) -> str | None:
    known = post.gate.errands.bundles.knowledge
    return known and known.policy_at(datetime.now(UTC)).policy.version


# -- whom it trusts ----------------------------------------------------------------------------------------------------


def test_a_policy_under_keys_that_the_bundle_brings_itself_is_refused_and_what_to_do_is_said(
    post: Post, city: CityHall
) -> None:
    post.server.bundle = city.bundle()
    post.fetch()
    assert version_of(post) == "default@1"
    assert any("policies are taken under policy-1 alone from now on" in remark for remark in post.show.remarks)
    post.server.bundle = by(PolicyOffice(), city.bundle())
    post.fetch()
    assert version_of(post) == "default@1"
    assert "refused" in post.show.remarks[-1]
    assert "--policy-keys FILE" in post.show.remarks[-1]


def test_the_keys_of_the_first_bundle_hold_after_the_gate_was_switched_off(post: Post, city: CityHall) -> None:
    post.server.bundle = city.bundle()
    post.fetch()
    post.memory.close()
    post.start()
    post.gate.errands.bundles.load()
    assert version_of(post) == "default@1"
    post.memory.keep_bundle(by(PolicyOffice(), city.bundle()), {1: ('"1.1"', city.codes.signed_list(1))})
    post.gate.errands.bundles.knowledge = None
    post.gate.errands.bundles.load()
    assert version_of(post) is None


def test_with_keys_of_its_own_a_gate_believes_no_first_bundle(post: Post, city: CityHall) -> None:
    post.memory.trust(city.office.jwks())
    post.server.bundle = by(PolicyOffice(), city.bundle())
    post.fetch()
    assert version_of(post) is None
    post.server.bundle = city.bundle()
    post.fetch()
    assert version_of(post) == "default@1"


def test_a_key_that_is_new_beside_the_old_one_signs_nothing_until_the_gate_is_given_it(
    post: Post, city: CityHall
) -> None:
    made_at = datetime.now(UTC)  # the clocks' difference is remarked on, and NOW is when the tests were collected
    post.server.bundle = city.bundle(made_at)
    post.fetch()
    new = PolicyOffice()
    new.key = Key("policy-2", "policy+jwt")
    both = with_signer({"keys": [*city.office.jwks()["keys"], *new.jwks()["keys"]]})
    post.server.bundle = city.bundle(made_at) | {"policy_jwks": both}
    post.show.remarks.clear()
    post.fetch()
    assert post.show.remarks == [], "while the old key signs, all is well"
    to_come = new.sign(policy("later@1"), effective_from=NOW + HOUR)
    post.server.bundle = city.bundle(made_at) | {"policy_jwks": both, "upcoming_policies": [to_come]}
    post.fetch()
    assert "--policy-keys" in post.show.remarks[-1]
    post.memory.trust(both)
    post.fetch()
    known = post.gate.errands.bundles.knowledge
    assert known is not None
    assert known.policy_at(NOW + 2 * HOUR).policy.version == "later@1"


def test_a_bundle_that_is_not_good_gives_no_keys(post: Post, city: CityHall) -> None:
    post.server.bundle = by(PolicyOffice(), city.bundle()) | {"checkpoint": {}}
    post.fetch()
    assert post.memory.policy_jwks() is None


@pytest.mark.parametrize("content", ["", "{}", '{"keys": []}', '{"keys": [{"kid": "x", "typ": "pass+jwt"}]}'])
def test_a_file_without_policy_keys_is_named_before_anything_else_is_done(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(ValueError, match="--policy-keys"):
        start(
            Home(tmp_path),
            checkpoint=PLACE,
            file=None,
            server="http://127.0.0.1:9",
            token_file=file,
            state=tmp_path / "state",
            is_offline=True,
            is_json=True,
            takes_json_lines=False,
            takes_forms=False,
            policy_keys=file,
        )


# -- for how long it knows ---------------------------------------------------------------------------------------------


def knowledge(bundle: dict[str, Any], now: datetime = NOW) -> Knowledge:
    return read_bundle(bundle, {each["list"]: each["token"] for each in bundle["status_lists"]}, now)


def taken(city: CityHall, known: Knowledge, moment: datetime, now: datetime) -> Taken:
    """About somebody green at a moment, decided now."""
    said = {"pass": city.pass_at(moment), "scanned_at": moment.isoformat()}
    _, attempt = read_scan(said, PLACE, now)
    return decide_offline(known, attempt, now)


def test_a_gate_whose_clock_is_slow_lets_nobody_pass(city: CityHall) -> None:
    known = knowledge(city.bundle())
    for apart, decision in ((4, Decision.PASS), (6, Decision.CHECK), (60 * 24, Decision.CHECK)):
        now = NOW - timedelta(minutes=apart)
        assert taken(city, known, now, now).decision is decision, apart


def test_a_scan_that_is_dated_back_does_not_bring_a_bundle_to_life_again(city: CityHall) -> None:
    known = knowledge(city.bundle())
    late = NOW + timedelta(hours=25)
    assert taken(city, known, NOW, NOW).decision is Decision.PASS
    assert taken(city, known, NOW, late).decision is Decision.CHECK
    assert not taken(city, known, NOW, late).is_settled
    assert taken(city, known, NOW - HOUR, NOW).decision is Decision.CHECK, (
        "before it was made, by more than clocks differ"
    )


def test_a_line_that_is_dated_back_is_decided_with_the_gates_own_clock(tmp_path: Path, city: CityHall) -> None:
    """A whole gate: its bundle of two days ago was over yesterday."""
    post = Post(tmp_path / "gate", takes_json_lines=True)
    made_at = NOW - timedelta(days=2)
    post.server.bundle = city.bundle(made_at)
    post.fetch()
    post.server.status = 0
    post.gate.take_line(json.dumps({"pass": city.pass_at(made_at), "scanned_at": made_at.isoformat()}))
    assert [shown.decision for shown in post.show.decisions] == [Decision.CHECK]


def test_colours_are_as_old_as_they_are_when_it_is_decided(city: CityHall) -> None:
    """As at the server, whose board is as old as it is when the late scan comes."""
    found = taken(city, knowledge(city.bundle()), NOW, NOW + HOUR)
    assert (found.decision, found.refusal, found.is_settled) == (Decision.CHECK, Refusal.BOARD_STALE, True)


def test_the_limits_are_those_of_the_policy_that_is_in_force_then(city: CityHall) -> None:
    stricter, laxer = policy("b@1", stale_s=600, expires_s=5400), policy("c@1", stale_s=86_400, expires_s=7 * 86_400)
    known = knowledge(city.bundle(policies={-HOUR: policy("a@1"), HOUR / 3: stricter, 2 * HOUR: laxer}))
    cases = [
        (15, Decision.PASS, "a@1"),
        (21, Decision.CHECK, "b@1"),
        (91, Decision.CHECK, "b@1"),
        (121, Decision.PASS, "c@1"),
        (1439, Decision.PASS, "c@1"),
        (1441, Decision.CHECK, "c@1"),
    ]
    for minutes, decision, version in cases:
        moment = NOW + timedelta(minutes=minutes)
        found = taken(city, known, moment, moment)
        assert (found.decision, found.policy_version) == (decision, version), minutes
    assert taken(city, known, NOW + HOUR, NOW + HOUR).is_settled, "stale is told"
    assert not taken(city, known, NOW + 1.6 * HOUR, NOW + 1.6 * HOUR).is_settled, "beyond what the stricter one allows"


def test_what_was_in_force_before_the_policy_of_the_bundle_is_not_known(city: CityHall) -> None:
    known = knowledge(city.bundle(policies={timedelta(minutes=-2): policy()}))
    for minutes, decision in ((1, Decision.PASS), (3, Decision.CHECK)):
        moment = NOW - timedelta(minutes=minutes)
        assert taken(city, known, moment, NOW).decision is decision


def test_a_form_too_is_settled_only_while_the_bundle_reaches_it_and_now(city: CityHall) -> None:
    known = knowledge(city.bundle(kind="road"))
    given = {"document": {"type": "resident_id", "number": "110101199001010000"}, "phone": "13800138000"}
    given |= {"from_area": "420100", "to_area": "440103"}
    cases = [(0, 0, Decision.PASS), (0, 25, Decision.CHECK), (25, 25, Decision.CHECK), (-1, 0, Decision.CHECK)]
    for moment_h, now_h, decision in cases:
        moment, now = NOW + moment_h * HOUR, NOW + now_h * HOUR
        _, form = read_form_of(given | {"registered_at": moment.isoformat()}, PLACE, now)
        assert admit_alone(known, form, now).decision is decision, (moment_h, now_h)


def test_no_longer_than_its_signed_lists_and_its_signed_policy_allow(city: CityHall) -> None:
    """The bundle's own times are not signed."""
    bundle = city.bundle()
    bundle["expires_at"] = (NOW + timedelta(days=365)).isoformat()
    bundle["board"]["as_of"] = (NOW + timedelta(days=364)).isoformat()
    known = knowledge(bundle)
    assert known.as_of == NOW
    assert known.over_at(NOW) == NOW + timedelta(days=1)
    stale = taken(city, known, NOW + HOUR, NOW + HOUR)
    assert stale.refusal is Refusal.BOARD_STALE
    listed_at = (NOW - LIFE + HOUR).replace(microsecond=0)
    assert knowledge(city.bundle(listed_at=listed_at)).over_at(NOW) == listed_at + LIFE


def test_a_list_that_has_not_changed_for_days_is_an_honest_one(city: CityHall) -> None:
    """checkpoints keeps its token: codes answers that it is still at that revision."""
    known = knowledge(city.bundle(listed_at=NOW - timedelta(days=5)))
    assert known.as_of == NOW - timedelta(minutes=1)
    assert known.over_at(NOW) == NOW + timedelta(days=1)
    assert taken(city, known, NOW, NOW).decision is Decision.PASS


@pytest.mark.parametrize("name", ["issued_at", "expires_at"])
def test_a_time_without_its_offset_is_no_time(city: CityHall, name: str) -> None:
    with pytest.raises(BundleRefused):
        knowledge(city.bundle() | {name: "2026-11-22T08:00:00"})


def test_policies_hold_in_the_order_of_their_moments_however_a_bundle_lists_them(city: CityHall) -> None:
    """And one that is to come holds not a moment before."""
    bundle = city.bundle(policies={-HOUR: policy("a@1"), HOUR: policy("b@1")})
    turned = bundle | {"policy": bundle["upcoming_policies"][0], "upcoming_policies": [bundle["policy"]]}
    assert knowledge(turned).policy_at(NOW).policy.version == "a@1"
    assert knowledge(turned).policy_at(NOW + 2 * HOUR).policy.version == "b@1"
    assert taken(city, knowledge(turned), NOW, NOW).decision is Decision.PASS
    alone = knowledge(turned | {"upcoming_policies": []})
    assert taken(city, alone, NOW, NOW).decision is Decision.CHECK
