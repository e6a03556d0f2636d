"""Bad input: a problem document that names the field, and nothing recorded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.ids import uuid7
from tests.integration.ledger.conftest import COMMUNITY, Issuer, Ledger


def at(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def order(**changed: Any) -> dict[str, Any]:
    body = {
        "ledger": "confirmed",
        "person": {"person_ref": str(uuid4())},
        "area": COMMUNITY,
        "facts": {"confirmed_at": at(minutes=1)},
    }
    return {name: value for name, value in (body | changed).items() if value is not None}


def document(**changed: Any) -> dict[str, Any]:
    return {"document": {"type": "passport", "country": "CN", "number": "E12345678"} | changed}


BAD_ORDERS = [
    (order(surprise=1), "surprise"),
    (order(ledger=None), "ledger"),
    (order(ledger=7), "ledger"),
    (order(person={}), "person"),
    (order(person={"person_ref": "somebody"}), "person.person_ref"),
    (order(person={"person_ref": str(uuid4())} | document()), "person"),
    (order(person=document(type="library_card")), "person.document.type"),
    (order(person=document(country="C1")), "person.document.country"),
    (order(person=document(number="--")), "person.document.number"),
    (order(person=document(number="1" * 65)), "person.document.number"),
    (order(person=document() | {"name": ""}), "person.name"),
    (order(person=document() | {"phone": "call me"}), "person.phone"),
    (order(area="440199"), "area"),
    (order(area="4401%"), "area"),
    (order(area="Guangzhou"), "area"),
    (order(facts={}), "facts.confirmed_at"),
    (order(facts=[]), "facts"),
    (order(facts={"confirmed_at": "yesterday"}), "facts.confirmed_at"),
    (order(facts={"confirmed_at": 1_700_000_000}), "facts.confirmed_at"),
    (order(facts={"confirmed_at": "2020-02-11T08:00:00"}), "facts.confirmed_at"),
    (order(facts={"confirmed_at": at(hours=-3)}), "facts.confirmed_at"),
    (order(facts={"confirmed_at": at(days=61)}), "facts.confirmed_at"),
    (order(facts={"confirmed_at": "0001-01-01T00:00:00+14:00"}), "facts.confirmed_at"),
    (order(facts={"confirmed_at": "9999-12-31T23:59:59-14:00"}), "facts.confirmed_at"),
    (order(facts={"confirmed_at": at(minutes=1), "mood": "good"}), "facts.mood"),
    (order(facts={"confirmed_at": at(minutes=1), "severity": "awful"}), "facts.severity"),
    (order(facts={"confirmed_at": at(minutes=1), "laboratory": "x" * 501}), "facts.laboratory"),
    (order(facts={"confirmed_at": at(minutes=1), "laboratory": "a\x00b"}), "facts.laboratory"),
    (order(entry_id="1"), "entry_id"),
    (order(entry_id=str(uuid4())), "entry_id"),
    (order(opened_at=at(hours=-3)), "opened_at"),
    (order(opened_at=at(days=61)), "opened_at"),
    (order(opened_at="2020-02-11T08:00:00"), "opened_at"),
    (order(opened_at=0), "opened_at"),
]


def fields(answer: Any) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


def nothing_is_recorded(ledger: Ledger) -> bool:
    counts = "SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM outbox) + (SELECT size FROM journal_head)"
    return ledger.rows(counts) == [(0,)]


def test_a_wrong_field_is_named_and_nothing_is_recorded(ledger: Ledger) -> None:
    for body, field in BAD_ORDERS:
        answer = ledger.post("/v1/entries", body)
        assert answer.status_code == 422, (field, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert fields(answer) == [field], answer.text
    assert nothing_is_recorded(ledger)


def test_a_number_is_not_repeated_to_the_caller(ledger: Ledger) -> None:
    answer = ledger.post("/v1/entries", order(person=document(type="library_card", number="E12345678")))
    assert "E12345678" not in answer.text


def test_text_that_no_store_takes_is_refused(ledger: Ledger, issuer: Issuer) -> None:
    half = "\ud800"
    headers = issuer.bearer("operator") | {"content-type": "application/json"}
    confirmed = {"confirmed_at": at(minutes=1)}
    for body in (
        order(facts=confirmed | {"laboratory": half}),
        order(facts=confirmed | {half: 1}),
        order(person=document() | {"name": half}),
        order(ledger=half),
    ):
        answer = ledger.client.post("/v1/entries", content=json.dumps(body), headers=headers)
        assert answer.status_code == 422, answer.text
    assert nothing_is_recorded(ledger)


def test_an_unknown_ledger_and_entry_are_not_found(ledger: Ledger) -> None:
    answer = ledger.post("/v1/entries", order(ledger="gossip"))
    assert (answer.status_code, answer.json()["code"]) == (404, "ledger_not_found")
    move = {"move": "place", "expected_version": 1}
    answer = ledger.post(f"/v1/entries/{uuid7()}/moves", move)
    assert (answer.status_code, answer.json()["code"]) == (404, "entry_not_found")
    assert ledger.get(f"/v1/entries/{uuid7()}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"move": "place"}, "expected_version"),
        ({"move": "place", "expected_version": "1"}, "expected_version"),
        ({"move": "place", "expected_version": True}, "expected_version"),
        ({"move": "place", "expected_version": 0}, "expected_version"),
        ({"move": 1, "expected_version": 1}, "move"),
        ({"move": "place", "expected_version": 1, "facts": {"hotel": "A"}}, "facts.hotel"),
        ({"move": "place", "expected_version": 1, "facts": {"site": ["A"]}}, "facts.site"),
        ({"move": "refute", "expected_version": 1}, "facts.reason"),
        ({"move": "place", "expected_version": 1, "to": "released"}, "to"),
    ],
)
def test_a_wrong_field_of_a_move_is_named(ledger: Ledger, body: dict[str, Any], field: str) -> None:
    opened = ledger.open("close_contact", uuid4())
    answer = ledger.post(f"/v1/entries/{opened['entry_id']}/moves", body)
    assert (answer.status_code, fields(answer)) == (422, [field])
    assert ledger.rows("SELECT version FROM entry") == [(1,)]


def test_a_wrong_query_is_named(ledger: Ledger) -> None:
    for path, query, field in [
        ("/v1/entries", {"cursor": "x"}, "query.cursor"),
        ("/v1/entries", {"limit": 1000}, "query.limit"),
        ("/v1/entries", {"sort": "name"}, "query.sort"),
        ("/v1/entries", {"area": "990101"}, "area"),
        ("/v1/alarms", {"area": "44%"}, "query.area"),
        ("/v1/journal/proof", {}, "query.entry"),
        ("/v1/people/somebody/file", {}, "path.person_ref"),
    ]:
        answer = ledger.get(path, **query)
        assert (answer.status_code, fields(answer)) == (422, [field]), (path, query, answer.text)


def test_a_body_over_the_limit_is_refused(ledger: Ledger) -> None:
    body = order(facts={"confirmed_at": "x" * (ledger.settings.body_bytes_max + 1)})
    answer = ledger.post("/v1/entries", body)
    assert answer.status_code == 413
    assert nothing_is_recorded(ledger)


def test_a_body_that_is_no_json_is_refused(ledger: Ledger, issuer: Issuer) -> None:
    headers = issuer.bearer("operator") | {"content-type": "application/json"}
    deep = b'{"ledger": "confirmed", "facts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for body in (deep, b"{", b"[]", b"null", b'"x"', b"\xff\xfe", json.dumps(order()).encode() + b"}"):
        assert ledger.client.post("/v1/entries", content=body, headers=headers).status_code in (400, 422)
    assert nothing_is_recorded(ledger)


def test_only_a_token_of_this_city_that_lasts_and_has_the_role_opens(
    ledger: Ledger, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    foreign = Issuer(tmp_path_factory.mktemp("foreign") / "jwks.json")
    for headers, status in [
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        (foreign.bearer("operator"), 401),
        (issuer.bearer("operator", expires_in_s=-1), 401),
        (issuer.bearer("operator", iss="https://elsewhere.test"), 401),
        (issuer.bearer("operator", aud="another"), 401),
        (issuer.bearer("citizen"), 403),
        (issuer.bearer("gate"), 403),
        (issuer.bearer("mayor"), 403),
        (issuer.bearer("operator", area=""), 403),
    ]:
        answer = ledger.client.post("/v1/entries", json=order(), headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert nothing_is_recorded(ledger)
