"""Nobody turns a gate back: neither an impostor with parts of before, nor a server that has lost what it had told."""

from __future__ import annotations

import itertools
import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.checkpoints.bundle_signing import BundleSigner
from services.checkpoints.signed import BUNDLE
from tests.integration.checkpoints.town import GREEN, RED
from tests.unit.guanka.city_hall import CityHall, policy, with_signer
from tests.unit.guanka.post import PLACE, SIGNER, Post

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)


def lax(version: str) -> dict[str, Any]:
    """A policy under which everybody passes."""
    document = deepcopy(policy(version))
    words = {"zh": "字", "en": "word"}
    for kind in document["kinds"].values():
        kind["decisions"] = dict.fromkeys(kind["decisions"], "pass")
    document["words"] = {outcome: {"pass": words} for outcome in document["kinds"]["metro"]["decisions"]}
    return document


class Morning:
    """A city that was lax and had not heard of a case an hour ago, and what an impostor heard of it."""

    def __init__(self) -> None:
        self.city = CityHall()
        _, self.case = self.city.codes.enrol(GREEN)
        before = {"policies": {-2 * HOUR: lax("a@1")}}
        self.old = self.told(self.city.bundle(NOW - HOUR, **before))
        self.elsewhere = self.told(self.city.bundle(NOW, kind="road", checkpoint=str(uuid4()), **before))
        self.city.codes.colours[1][self.case] = RED
        self.city.codes.revision[1] += 1
        self.new_given = self.city.bundle(NOW, policies={-HOUR / 2: policy("b@1")})
        self.new = self.told(self.new_given)
        foreign = CityHall()
        foreign.codes.enrol(GREEN)
        self.foreign = BundleSigner(b"another city's key".ljust(32)).signed(
            foreign.bundle(NOW, policies={-2 * HOUR: lax("x@1")}) | {"nonce": "another-citys-nonce"}
        )
        self.foreign_mint = foreign.codes.mint

    @staticmethod
    def told(bundle: dict[str, Any]) -> dict[str, Any]:
        """An answer of the server to another question."""
        return SIGNER.signed(bundle | {"nonce": "a-question-of-before-" + str(bundle["issued_at"][-12:-6])})

    def heard(self) -> tuple[dict[str, Any], ...]:
        return self.old, self.new, self.elsewhere, self.foreign


MORNING = Morning()
_NUMBERS = itertools.count()
_MEMBERS = sorted(MORNING.new)
_ABSENT = object()
_CHOICE = st.sampled_from([*range(4), None])
MIXES = st.fixed_dictionaries(dict.fromkeys(_MEMBERS, _CHOICE))
"""For each member of a bundle, whose it is; None where it is left out."""


def mixed(mix: dict[str, int | None], nonce: str | None) -> dict[str, Any]:
    heard = MORNING.heard()
    bundle = {name: heard[whose][name] for name, whose in mix.items() if whose is not None}
    return bundle if nonce is None else bundle | {"nonce": nonce}


def decisions(post: Post) -> dict[str, str]:
    """The decisions of a gate without a network, for the case and for a pass of another city."""
    post.server.status = 0
    at = post.gate._clock.now()
    shown = {"case": MORNING.city.codes.mint(MORNING.case, at=at), "foreign": MORNING.foreign_mint(0, at=at)}
    found = {}
    for who, token in shown.items():
        post.gate.take_line(token)
        found[who] = post.show.decisions[-1].decision
    return found


@given(mix=MIXES, echoes_nonce=st.booleans(), has_believed=st.booleans())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_impostor_with_any_mix_of_parts_gets_nothing_but_a_check(
    tmp_path: Path, mix: dict[str, int | None], echoes_nonce: bool, has_believed: bool
) -> None:
    post = Post(tmp_path / str(next(_NUMBERS)))
    if has_believed:
        post.server.bundle = MORNING.new_given
        post.fetch()
    else:
        post.memory.trust(with_signer(MORNING.city.office.jwks()))
    known = post.gate.errands.bundles.knowledge
    post.server.bundle = {}
    post.server.give = lambda _bundle, nonce: mixed(mix, nonce if echoes_nonce else None)
    post.gate.errands.turn()
    assert post.gate.errands.bundles.knowledge is known, "what it knows is what it knew"
    found = decisions(post)
    assert found["case"] == ("stop" if has_believed else "check")
    assert found["foreign"] in ("check", "stop")
    post.memory.close()


@pytest.mark.parametrize("content", [{}, [], {"status_lists": 1}, {"signature": 1}, {"status_lists": [{}]}, "x", None])
def test_what_is_no_bundle_at_all_is_refused_and_the_gate_goes_on(tmp_path: Path, content: object) -> None:
    post = Post(tmp_path)
    post.server.bundle = {}
    post.server.give = lambda _bundle, _nonce: content
    post.gate.errands.turn()
    assert post.gate.errands.bundles.knowledge is None
    post.server.bundle, post.server.give = (
        MORNING.new_given,
        lambda bundle, nonce: SIGNER.signed(bundle | {"nonce": nonce}),
    )
    post.fetch()
    assert post.gate.errands.bundles.knowledge is not None


@pytest.fixture
def post(tmp_path: Path) -> Post:
    started = Post(tmp_path)
    started.server.bundle = MORNING.new_given
    started.fetch()
    return started


def test_the_gates_own_answer_of_before_is_no_answer(post: Post) -> None:
    """Recorded on the line and given again: each question has a nonce of its own."""
    recorded = SIGNER.signed(MORNING.new_given | {"nonce": post.server.nonces[-1]})
    post.server.give = lambda _bundle, _nonce: recorded
    post.show.remarks.clear()
    post.fetch()
    assert "another question" in post.show.remarks[-1]


# -- a server that was set back ----------------------------------------------------------------------------------------


def again(post: Post, bundle: dict[str, Any]) -> str:
    """The last remark, after the server has signed and given it."""
    post.show.remarks.clear()
    post.server.bundle = bundle
    post.fetch()
    return post.show.remarks[-1] if post.show.remarks else ""


def test_an_older_policy_is_not_believed_until_the_city_has_raised_the_epoch(post: Post) -> None:
    older = MORNING.city.bundle(NOW, policies={-2 * HOUR: lax("a@1")})
    assert "policy is older" in again(post, older)
    assert decisions(post)["case"] == "stop"
    post.server.status = 200
    restored = MORNING.city.bundle(NOW, policies={-2 * HOUR: lax("a@1")}, epoch=1_790_000_000)
    assert again(post, restored) == ""
    assert decisions(post)["case"] == "pass"
    post.server.status = 200
    assert "policy is older" in again(post, MORNING.new_given), "the epoch stands before the revision"


def test_an_older_list_is_not_believed_until_codes_has_raised_the_epoch(post: Post) -> None:
    codes, strict = MORNING.city.codes, {-HOUR / 2: policy("b@1")}
    codes.revision[1] -= 1
    codes.colours[1][MORNING.case] = GREEN
    try:
        older = MORNING.city.bundle(NOW, policies=strict)
        restored = MORNING.city.bundle(NOW, policies=strict, list_epoch=1_790_000_000)
    finally:
        codes.revision[1] += 1
        codes.colours[1][MORNING.case] = RED
    assert "list/1 is older" in again(post, older)
    assert decisions(post)["case"] == "stop"
    post.server.status = 200
    assert again(post, restored) == ""
    assert decisions(post)["case"] == "pass"


def test_what_was_believed_is_believed_after_the_gate_was_switched_off(post: Post) -> None:
    post.memory.close()
    post.start()
    post.gate.errands.bundles.load()
    assert "policy is older" in again(post, MORNING.city.bundle(NOW, policies={-2 * HOUR: lax("a@1")}))
    assert decisions(post)["case"] == "stop"


def test_a_policy_that_has_taken_effect_meanwhile_is_the_one_that_was_believed(post: Post) -> None:
    """It was to come when the gate heard of it; a server that gives the one before it has been set back."""
    made = NOW + timedelta(minutes=2)
    stricter = {-HOUR / 2: policy("b@1"), timedelta(minutes=1): policy("c@1")}
    assert again(post, MORNING.city.bundle(NOW, policies=stricter)) == ""
    assert "policy is older" in again(
        post, MORNING.city.bundle(made, policies={-HOUR / 2 - (made - NOW): policy("b@1")})
    )


def test_an_old_content_under_a_new_number_is_believed(post: Post) -> None:
    back = MORNING.city.bundle(NOW, policies={timedelta(minutes=-1): lax("a@2")})
    assert again(post, back) == ""
    assert decisions(post)["case"] == "pass"


def test_a_tag_that_says_another_revision_than_the_list_is_refused(post: Post) -> None:
    bundle = json.loads(json.dumps(MORNING.new_given))
    bundle["status_lists"][0]["etag"] = '"1.99"'
    assert "another revision" in again(post, bundle)


# -- whose signature counts --------------------------------------------------------------------------------------------


def test_the_key_that_signs_bundles_is_kept_with_those_of_the_first(tmp_path: Path) -> None:
    post = Post(tmp_path)
    post.server.bundle = MORNING.new_given
    post.fetch()
    other = BundleSigner(bytes([7]) * 32)
    jwks = {"keys": [*MORNING.city.office.jwks()["keys"], other.public_jwk()]}
    post.server.give = lambda bundle, nonce: other.signed(bundle | {"policy_jwks": jwks, "nonce": nonce})
    assert "signed by none of the keys" in again(post, MORNING.new_given)


def test_a_gate_that_was_given_only_policies_keys_keeps_the_first_that_signs(tmp_path: Path) -> None:
    post = Post(tmp_path)
    post.memory.trust(MORNING.city.office.jwks())
    post.server.bundle = MORNING.new_given
    post.fetch()
    kept = post.memory.policy_jwks()
    assert kept is not None
    assert [key["kid"] for key in kept["keys"] if key["typ"] == BUNDLE] == [SIGNER.public_jwk()["kid"]]


def test_a_bundle_that_was_kept_before_bundles_were_signed_is_used_until_there_is_a_signed_one(tmp_path: Path) -> None:
    post = Post(tmp_path)
    post.memory.trust(MORNING.city.office.jwks())
    unsigned = {name: value for name, value in MORNING.new_given.items() if name != "signature"}
    tokens = {each["list"]: (each["etag"], each["token"]) for each in unsigned["status_lists"]}
    post.memory.keep_bundle(unsigned, tokens)
    post.gate.errands.bundles.load()
    assert post.gate.errands.bundles.knowledge is not None
    post.server.bundle = MORNING.new_given
    post.fetch()
    post.memory.keep_bundle(unsigned, tokens)
    post.gate.errands.bundles.knowledge = None
    post.gate.errands.bundles.load()
    assert post.gate.errands.bundles.knowledge is None


def test_every_process_of_a_city_signs_with_one_key_and_no_other_city_has_it() -> None:
    assert BundleSigner(bytes(32)).public_jwk() == SIGNER.public_jwk()
    assert BundleSigner(bytes([1]) * 32).public_jwk()["kid"] != SIGNER.public_jwk()["kid"]
    assert len(SIGNER.public_jwk()["kid"]) <= 16
    assert PLACE in SIGNER.signed(MORNING.new_given)["checkpoint"]["checkpoint_id"]
