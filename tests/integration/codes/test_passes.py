"""Passes: what is in the QR code, and what is not."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from jwt.algorithms import ECAlgorithm

from services.codes.domain.passes import PASS_CHARACTERS_MAX
from tests.integration.codes.city import City


def mint(city: City, person: object, kind: str) -> dict[str, Any]:
    headers = city.issuer.headers("citizen", person=person)  # type: ignore[arg-type]
    answer = city.client.post(f"/v1/people/{person}/passes", json={"kind": kind}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("kind", "kind_of_token", "life_s"),
    [("shown", "pass+jwt", 60), ("printed", "printed-pass+jwt", 180 * 86_400)],
)
def test_a_pass_carries_a_handle_and_a_time_and_nothing_else(
    city: City, kind: str, kind_of_token: str, life_s: int
) -> None:
    token = mint(city, city.enrol(), kind)["token"]
    assert len(token) <= PASS_CHARACTERS_MAX
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "ES256", "kid": header["kid"], "typ": kind_of_token}
    keys = {key["kid"]: key for key in city.client.get("/.well-known/jwks.json").json()["keys"]}
    assert keys[header["kid"]]["typ"] == kind_of_token
    claims = jwt.decode(token, ECAlgorithm.from_jwk(keys[header["kid"]]), algorithms=["ES256"])  # type: ignore[arg-type]
    assert claims.keys() == {"iat", "exp", "status"}
    assert claims["exp"] - claims["iat"] == life_s
    assert claims["status"].keys() == {"status_list"}
    assert claims["status"]["status_list"]["uri"] == "https://guanka.example/s/1"
    assert 0 <= claims["status"]["status_list"]["idx"] < 1 << 20


def test_a_screenshot_of_green_proves_nothing(city: City) -> None:
    person = city.enrol()
    city.declare(person)
    green = mint(city, person, "shown")
    city.declare(person, contact_with_case=True)
    red = mint(city, person, "shown")
    assert (green["colour"], red["colour"]) == ("green", "red")
    bodies = [json.loads(base64.urlsafe_b64decode(each["token"].split(".")[1] + "==")) for each in (green, red)]
    assert bodies[0]["status"] == bodies[1]["status"]


def test_the_public_keys_hold_no_private_part(city: City) -> None:
    keys = city.client.get("/.well-known/jwks.json").json()["keys"]
    assert {key["typ"] for key in keys} == {"pass+jwt", "printed-pass+jwt", "statuslist+jwt"}
    assert all(key["use"] == "sig" and key["alg"] == "ES256" and "d" not in key for key in keys)


def test_many_who_show_their_code_at_once_get_each_their_own(city: City) -> None:
    """They share statements, never answers."""
    people = [city.enrol() for _ in range(12)]
    with ThreadPoolExecutor(8) as pool:
        passes = list(pool.map(lambda person: mint(city, person, "shown"), people * 3))
    entries = [json.loads(base64.urlsafe_b64decode(each["token"].split(".")[1] + "=="))["status"] for each in passes]
    assert entries == entries[:12] * 3
    assert len({str(entry) for entry in entries}) == 12


def test_who_shows_the_code_of_another_is_answered_as_ever(city: City) -> None:
    own, other = city.enrol(), city.enrol()
    mint(city, own, "shown")
    headers = city.issuer.headers("citizen", person=own)
    for kind in ("shown", "printed"):
        answer = city.client.post(f"/v1/people/{other}/passes", json={"kind": kind}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "person_refused")
    unknown = city.client.post(f"/v1/people/{own}/passes", json={"kind": "golden"}, headers=headers)
    assert (unknown.status_code, "kind" in unknown.text) == (422, True)
