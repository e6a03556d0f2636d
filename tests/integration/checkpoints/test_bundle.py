"""The bundle as a gate gets it: everything signed, bound to a checkpoint, and only what the gate does not have."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from guanka.gate.deciding import decide_offline
from guanka.gate.knowledge import BundleRefused, Knowledge, read_bundle, require_whole
from guanka.gate.reading import read_line
from services.checkpoints.bundles import SignedLists
from services.checkpoints.domain.scans import Colour, Decision
from services.checkpoints.signed import BUNDLE, public_keys
from services.checkpoints.store import policies
from tests.integration.checkpoints.town import GREEN, POLICY_OFFICE, RED, SHIPPED_POLICY, Key, ago


@pytest.fixture
def ask(client, gate):
    def asked(place, *tags, headers=None):
        headers = (headers or gate(place)) | ({"If-None-Match": ", ".join(tags)} if tags else {})
        return client.get("/v1/bundle", params={"checkpoint": str(place)}, headers=headers)

    return asked


def knowledge_of(bundle) -> Knowledge:
    tokens = {each["list"]: each["token"] for each in bundle["status_lists"]}
    return read_bundle(bundle, tokens, datetime.now(UTC))


def test_a_gate_decides_by_its_bundle_as_the_server_would(ask, register, codes, person):
    place = register("metro")
    (_, green), (_, red) = person(GREEN), person(RED)
    answer = ask(place)
    assert answer.status_code == 200, answer.text
    known = knowledge_of(answer.json())
    now = datetime.now(UTC)
    for idx, decision, colour in ((green, Decision.PASS, Colour.GREEN), (red, Decision.STOP, Colour.RED)):
        _, attempt = read_line(codes.mint(idx), str(place), now)
        taken = decide_offline(known, attempt)
        assert (taken.decision, taken.colour, taken.is_settled) == (decision, colour, True)
        assert (taken.policy_version, taken.list_revision) == ("default@1", codes.revision[1])


def test_the_city_key_never_reaches_a_gate(ask, register, person, settings):
    person(GREEN)
    key = settings.city_key_file.read_text().strip()
    answer = ask(register())
    assert answer.status_code == 200
    encoded = [encode(bytes.fromhex(key)).decode().rstrip("=") for encode in (b64encode, urlsafe_b64encode)]
    for written in (key, key.upper(), *encoded):
        assert written not in answer.text


def test_lists_that_the_gate_has_are_left_out(ask, register, codes, person, composed):
    place = register()
    person(GREEN)
    [first] = ask(place).json()["status_lists"]
    assert first["token"]
    assert first["etag"] == f'"1.{codes.revision[1]}"'
    [same] = ask(place, '"7.3"', first["etag"], '"2.1"').json()["status_lists"]
    assert (same["token"], same["etag"], same["uri"]) == (None, first["etag"], first["uri"])
    [other] = ask(place, '"1.999"', '"2.1"', "nonsense").json()["status_lists"]
    assert other["token"] == first["token"]


def test_codes_is_asked_for_its_lists_now_and_then_and_never_by_a_scan(ask, register, codes, person):
    place = register()
    person(GREEN)
    for _ in range(5):
        assert ask(place).status_code == 200
    assert codes.asked.count("signed list 1") == 1


def test_a_bundle_is_given_while_codes_is_away_and_says_how_old_its_lists_are(ask, register, codes, person, composed):
    place = register()
    person(GREEN)
    first = ask(place).json()
    desk = composed.app.state.desk
    codes.is_away = True
    lists = desk.signed_lists
    lists._held, lists._asked_at = replace(lists._held, as_of=ago(minutes=20)), None
    again = ask(place).json()
    assert again["status_lists"] == first["status_lists"]
    assert datetime.fromisoformat(again["board"]["as_of"]) < ago(minutes=19)
    lists._held = lists._asked_at = None
    answer = ask(place)
    assert (answer.status_code, answer.json()["code"]) == (503, "bundle_not_ready")


def test_who_gets_a_bundle(ask, register, gate, issuer, person, client):
    place, other = register(area="440103001"), register(area="440104001")
    cases = [
        ({"Authorization": "Bearer x"}, 401, "unauthenticated"),
        (issuer.headers("operator"), 403, "role_missing"),
        (gate(other), 403, "checkpoint_refused"),
        (gate(place, area="440104"), 403, "area_refused"),
    ]
    for headers, status, code in cases:
        answer = ask(place, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    unknown = "0190a0a0-0000-7000-8000-000000000000"
    assert ask(unknown, headers=gate(unknown)).json()["code"] == "checkpoint_not_found"
    for bad in ("", "x", "%00"):
        assert client.get(f"/v1/bundle?checkpoint={bad}", headers=gate(place)).status_code == 422
    long = gate(place) | {"If-None-Match": '"1.1", ' * 2000}
    assert ask(place, headers=long).status_code in (422, 431)


def test_a_policy_to_come_is_in_the_bundle_and_holds_from_its_moment(ask, register, client, issuer, codes, person):
    place = register("metro")
    person(RED)
    later = SHIPPED_POLICY | {"policy": "later@1"}
    token = POLICY_OFFICE.sign(later, effective_from=datetime.now(UTC) + timedelta(minutes=3))
    assert client.post("/v1/policies", json={"policy": token}, headers=issuer.headers("operator")).status_code == 201
    known = knowledge_of(ask(place).json())
    at = datetime.now(UTC)
    assert known.policy_at(at).policy.version == "default@1"
    assert known.policy_at(at + timedelta(minutes=4)).policy.version == "later@1"


def test_what_is_not_signed_by_who_it_should_be_is_no_bundle(ask, register, codes, person):
    place = register()
    person(GREEN)
    bundle = ask(place).json()
    [listed] = bundle["status_lists"]
    forger = Key("list-1", "statuslist+jwt")
    genuine, codes.list_key = codes.list_key, forger
    forged = codes.signed_list(1)
    codes.list_key = genuine
    spoilt = {
        "list by another key": {"status_lists": [listed | {"token": forged}]},
        "list for another address": {"status_lists": [listed | {"token": codes.signed_list(1, sub="https://x/1")}]},
        "list that is over": {"status_lists": [listed | {"token": codes.signed_list(1, exp=1)}]},
        "no list": {"status_lists": []},
        "policy by another key": {"policy": bundle["policy"][:-4] + "AAAA"},
        "policy keys of nobody": {"policy_jwks": {"keys": []}},
        "keys without passes": {"jwks": {"keys": [genuine.jwk()]}},
        "no checkpoint": {"checkpoint": {}},
        "no age": {"board": {}},
    }
    for change in spoilt.values():
        with pytest.raises(BundleRefused):
            knowledge_of(bundle | change)
    assert knowledge_of(bundle).lists == {1}


def test_a_bundle_is_signed_as_a_whole_with_the_nonce_of_the_gate(client, gate, register, person):
    place, nonce = register(), "a-nonce-of-this-gate-0001"
    person(GREEN)
    asked = {"checkpoint": str(place), "nonce": nonce}
    bundle = client.get("/v1/bundle", params=asked, headers=gate(place)).json()
    tokens = {each["list"]: each["token"] for each in bundle["status_lists"]}
    keys = public_keys(bundle["policy_jwks"], BUNDLE)
    require_whole(bundle, tokens, keys, checkpoint=str(place), nonce=nonce)
    with pytest.raises(BundleRefused, match="another question"):
        require_whole(bundle, tokens, keys, checkpoint=str(place), nonce="a-nonce-of-another-one-01")
    for name in bundle.keys() - {"signature"}:
        with pytest.raises(BundleRefused):
            require_whole({**bundle, name: None}, tokens, keys, checkpoint=str(place), nonce=nonce)
    tags = ", ".join(each["etag"] for each in bundle["status_lists"])
    slim = client.get("/v1/bundle", params=asked, headers=gate(place) | {"If-None-Match": tags}).json()
    assert [each["token"] for each in slim["status_lists"]] == [None]
    require_whole(slim, tokens, keys, checkpoint=str(place), nonce=nonce)


@pytest.mark.parametrize("nonce", ["", "short", "with spaces in between", "x" * 65])
def test_a_nonce_that_is_none_is_refused(client, gate, register, nonce):
    place = register()
    answer = client.get("/v1/bundle", params={"checkpoint": str(place), "nonce": nonce}, headers=gate(place))
    assert answer.status_code == 422


def test_the_epoch_of_policies_is_raised_after_a_restore_and_never_lowered(client, gate, register, person, worker):
    place, before = register(), datetime.now(UTC)
    person(GREEN)

    def epoch():
        return client.get("/v1/bundle", params={"checkpoint": str(place)}, headers=gate(place)).json()["epoch"]

    assert epoch() == 0
    for now, raised in ((before, int(before.timestamp())), (before - timedelta(days=1), int(before.timestamp()) + 1)):
        with worker.database.transaction() as tx:
            policies.raise_epoch(tx, now)
        assert epoch() == raised


def test_an_older_list_that_codes_gives_leaves_the_newer_one(register, codes, person, composed):
    person(GREEN)
    lists = SignedLists(codes, composed.board, lambda: datetime.now(UTC) + timedelta(seconds=len(codes.asked) * 60))
    newer = lists.current().lists[1]
    codes.revision[1] -= 1
    assert lists.current().lists[1] == newer
    codes.revision[1] += 2
    assert lists.current().lists[1].revision == newer.revision + 1
