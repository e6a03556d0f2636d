"""Policies: signed, published once under a version, in force in every process from their moment on."""

from __future__ import annotations

import time
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest

from chassis.settings import SettingsError
from services.checkpoints.main import compose_api
from tests.integration.checkpoints.test_registrations import form
from tests.integration.checkpoints.town import (
    GREEN,
    POLICY_OFFICE,
    SHIPPED_POLICY,
    YELLOW,
    PolicyOffice,
    ago,
    scan,
    wait_for,
)


def a_policy(version: str, *, yellow: str = "check", kind: str = "metro"):
    document = deepcopy(SHIPPED_POLICY) | {"policy": version}
    document["kinds"][kind]["decisions"]["yellow"] = yellow
    return document


@pytest.fixture
def publish(client, issuer):
    def published(document, *, office=POLICY_OFFICE, headers=None, **signed):
        body = {"policy": office.sign(document, **signed)}
        return client.post("/v1/policies", json=body, headers=headers or issuer.headers("operator"))

    return published


def test_a_published_policy_decides_from_now_on_and_its_version_is_recorded(
    client, register, gate, codes, person, publish, sql
):
    place = register("metro")
    _, idx = person(YELLOW)

    def scanned(**more):
        return client.post(
            "/v1/scans", json=scan(place, credential={"pass": codes.mint(idx)}, **more), headers=gate(place)
        ).json()

    assert scanned()["decision"] == "stop"
    answer = publish(a_policy("milder@1"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["in_force"]
    after = scanned()
    assert (after["decision"], after["policy_version"]) == ("check", "milder@1")
    assert sql("SELECT policy_version FROM scan ORDER BY scan_id") == [("default@1",), ("milder@1",)]


def test_another_process_takes_a_policy_at_its_moment_within_two_seconds(client, composed, settings, codes, publish):
    other = compose_api(settings, codes=codes)
    shelf = other.app.state.desk.policies
    starts_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    assert publish(a_policy("later@1"), effective_from=starts_at).json()["in_force"] is False
    shelf.refresh()
    assert [each.policy.version for each in shelf.upcoming()] == ["later@1"]
    assert shelf.current.policy.version == "default@1"
    own = composed.app.state.desk.policies
    wait_for(lambda: own.current.policy.version == "later@1", deadline_s=6)
    assert time.time() < starts_at.timestamp() + 2


def test_a_late_upload_is_decided_by_the_policy_of_its_moment(client, register, gate, codes, person, publish):
    place = register("metro")
    _, idx = person(YELLOW)
    at = ago(hours=3)
    publish(a_policy("milder@1"))
    offline = {"decision": "stop", "refusal": None, "policy_version": "default@1", "list_revision": 1}
    sent = scan(place, at=at, credential={"pass": codes.mint(idx, at=at)}, offline=offline)
    late = client.post("/v1/scans", json=sent, headers=gate(place)).json()
    assert (late["decision"], late["policy_version"]) == ("stop", "default@1")


def test_a_late_form_is_decided_by_the_policy_of_its_moment(client, register, gate, publish):
    place = register("road")
    stricter = a_policy("stricter@1")
    stricter["kinds"]["road"]["registration"]["decisions"]["registered"] = "check"
    assert publish(stricter).status_code == 201
    offline = {"decision": "pass", "policy_version": "default@1"}
    forms = (form(place, at=ago(hours=3), offline=offline), form(place, at=ago(hours=3)))
    answers = [client.post("/v1/registrations", json=each, headers=gate(place)).json() for each in (*forms, *forms)]
    assert [each["decision"] for each in answers] == ["pass", "check"] * 2
    assert answers[:2] == answers[2:]


def test_a_version_says_one_thing_only(publish, client, issuer):
    now = datetime.now(UTC)
    assert publish(a_policy("once@1"), effective_from=now).status_code == 201
    assert publish(a_policy("once@1"), effective_from=now).status_code == 200
    for other in (a_policy("once@1", yellow="pass"), a_policy("once@1", kind="bus")):
        if other["kinds"]["metro"]["decisions"]["yellow"] == "pass":
            other["words"]["yellow"]["pass"] = {"zh": "请通行。", "en": "Please go ahead."}
        answer = publish(other, effective_from=now)
        assert (answer.status_code, answer.json()["code"]) == (409, "policy_published_otherwise")
    answer = publish(a_policy("once@1"), effective_from=now + timedelta(hours=1))
    assert answer.status_code == 409


def test_what_is_not_signed_complete_and_dated_is_refused(publish, client, issuer):
    incomplete = a_policy("gap@1")
    del incomplete["kinds"]["port"]["decisions"]["fever"]
    far = datetime.now(UTC) + timedelta(days=800)
    cases = [
        (publish(a_policy("forged@1"), office=PolicyOffice()), "policy_not_signed"),
        (publish(incomplete), "policy_incomplete"),
        (publish(a_policy("other@1"), version="another@1"), "policy_incomplete"),
        (publish(a_policy("more@1"), surprise=1), "policy_incomplete"),
        (publish(a_policy("text@1"), iat="now"), "policy_incomplete"),
        (publish(a_policy("past@1"), effective_from=ago(hours=1)), "policy_misdated"),
        (publish(a_policy("far@1"), effective_from=far), "policy_misdated"),
    ]
    for text in ("", "x", "a.b.c", "a" * 300_000):
        answer = client.post("/v1/policies", json={"policy": text}, headers=issuer.headers("operator"))
        cases.append((answer, "invalid_request" if text in ("", "a" * 300_000) else "policy_not_signed"))
    assert [(each.status_code, each.json()["code"]) for each, _ in cases] == [(422, code) for _, code in cases]
    assert "kinds.port.decisions.fever" in cases[1][0].json()["detail"]
    listed = client.get("/v1/policies", headers=issuer.headers("operator")).json()["policies"]
    assert [(each["version"], each["in_force"]) for each in listed] == [("default@1", True)]


def test_only_an_operator_of_the_whole_city_publishes(publish, issuer):
    for headers, code in (
        (issuer.headers("operator", area="440103"), "area_refused"),
        (issuer.headers("gate"), "role_missing"),
        (issuer.headers("citizen", area=""), "role_missing"),
    ):
        answer = publish(a_policy("mine@1"), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_a_policy_is_read_back_as_it_was_signed(publish, client, issuer):
    document = a_policy("read@1")
    publish(document)
    answer = client.get("/v1/policies/read@1", headers=issuer.headers("gate"))
    assert answer.status_code == 200
    assert answer.json()["policy"].count(".") == 2
    assert client.get("/v1/policies/none@1", headers=issuer.headers("gate")).status_code == 404
    assert client.get("/v1/policies/none", headers=issuer.headers("gate")).status_code == 422


def test_a_service_without_a_usable_policy_does_not_start(settings, codes, tmp_path):
    for name, content in (("unsigned", "{}"), ("forged", PolicyOffice().sign(SHIPPED_POLICY))):
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises(SettingsError, match="POLICY_FILE: The policy is not signed"):
            compose_api(settings.model_copy(update={"policy_file": path}), codes=codes)
    with pytest.raises(SettingsError, match="POLICY_KEYS_FILE"):
        compose_api(settings.model_copy(update={"policy_keys_file": tmp_path / "issuer.json"}), codes=codes)
    compose_api(settings, codes=codes)
    (tmp_path / "other").write_text(POLICY_OFFICE.sign(a_policy("default@1")))
    with pytest.raises(SettingsError, match="published with other content"):
        compose_api(settings.model_copy(update={"policy_file": tmp_path / "other"}), codes=codes)


def test_the_words_of_a_repeat_are_those_of_its_own_version(client, register, gate, codes, person, publish):
    place = register("metro")
    _, idx = person(GREEN)
    sent = scan(place, credential={"pass": codes.mint(idx)})
    first = client.post("/v1/scans", json=sent, headers=gate(place)).json()
    document = a_policy("reworded@1")
    document["words"]["green"]["pass"] = {"zh": "请进。", "en": "Come in."}
    publish(document)
    assert client.post("/v1/scans", json=sent, headers=gate(place)).json() == first
    fresh = scan(place, credential={"pass": codes.mint(idx)})
    assert client.post("/v1/scans", json=fresh, headers=gate(place)).json()["say"]["en"] == "Come in."


def test_a_form_that_comes_again_late_has_its_first_answer_whatever_policy_is_in_force_when(
    client, register, gate, publish
):
    """Malls register nobody until now; the gate had decided alone, by what held when the form was written down."""
    place = register("mall")
    registering = deepcopy(SHIPPED_POLICY) | {"policy": "malls-too@1"}
    rule = deepcopy(registering["kinds"]["road"]["registration"])
    rule["words"]["registered"] = {"zh": "商场登记完毕。", "en": "Registered at the mall."}
    registering["kinds"]["mall"]["registration"] = rule
    assert publish(registering).json()["in_force"]
    headers, written_down = gate(place), form(place, at=ago(minutes=4))
    first = client.post("/v1/registrations", json=written_down, headers=headers).json()
    assert (first["policy_version"], first["say"]["en"]) == ("malls-too@1", "Registered at the mall.")
    late = written_down | {"offline": {"decision": "check", "policy_version": "none@0"}}
    assert client.post("/v1/registrations", json=late, headers=headers).json() == first
    other = form(place, at=ago(minutes=4)) | {"offline": late["offline"]}
    answer = client.post("/v1/registrations", json=other, headers=headers)
    assert answer.json()["code"] == "registration_not_done_here", "what comes for the first time is of its own moment"
