"""What a scan costs in statements: one for the group it is recorded with, and no other."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.integration.checkpoints.town import GREEN, scan

CARD = {"type": "passport", "number": "E12345678"}


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the scan path asks of the database from here on (its connections are the asynchronous ones)."""
    sent: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def noted(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        sent.append(query if isinstance(query, str) else query.decode())
        return await execute(self, query, *arguments, **named)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", noted)
    return sent


def test_a_scan_is_one_statement(client, register, gate, codes, person, statements):
    place = register()
    people = [person(GREEN)[1] for _ in range(5)]
    headers = gate(place)
    for idx in people:
        sent = scan(place, credential={"pass": codes.mint(idx)}, temperature_c=36.5, direction="in")
        assert client.post("/v1/scans", json=sent, headers=headers).status_code == 200
    assert len(statements) == 5
    assert all("INSERT INTO scan" in each for each in statements)


def test_a_batch_of_a_hundred_is_one_statement(client, register, gate, codes, topic, person, statements):
    place = register()
    people = [topic.enrol(GREEN)[1] for _ in range(99)] + [person(GREEN)[1]]
    scans = [scan(place, credential={"pass": codes.mint(idx)}) for idx in people]
    results = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place)).json()["results"]
    assert {each["decision"] for each in results} == {"pass"}
    assert len(statements) == 1


def test_a_repeat_is_found_by_a_look_and_reads_the_first_answer_again(
    client, register, gate, codes, person, statements
):
    """Twice as if it were new, of which the second is refused by the key; then with the look, and the first answer."""
    place = register()
    _, idx = person(GREEN)
    sent = scan(place, credential={"pass": codes.mint(idx)})
    for _ in range(2):
        assert client.post("/v1/scans", json=sent, headers=gate(place)).json()["decision"] == "pass"
    kinds = [("ON CONFLICT" in each, "INSERT INTO scan" in each) for each in statements]
    assert kinds == [(False, True), (False, True), (True, True), (False, False)]
    client.post("/v1/scans", json=sent, headers=gate(place))
    assert len(statements) == 6, "for some groups after it the look comes first"


def test_documents_of_a_batch_ask_once_for_all_their_holders(client, register, gate, statements):
    place = register()
    scans = [scan(place, credential={"document": CARD}) for _ in range(50)]
    client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place))
    assert [("holder" in each, "INSERT INTO scan" in each) for each in statements] == [(True, False), (True, True)]


def test_what_is_refused_asks_nothing(client, register, gate, statements):
    place = register()
    client.post("/v1/scans", json=scan(place, credential={}), headers=gate(place))
    client.post("/v1/scans", json=scan(place, credential={"pass": "x"}), headers=gate())
    assert statements == []
