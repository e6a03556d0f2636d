"""Where the policy says compare, the guard sees a masked name; nothing of it holds a scan up or makes it laxer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from fastapi.testclient import TestClient

from services.checkpoints.main import Api, compose_api
from services.checkpoints.settings import CheckpointsSettings
from tests.integration.checkpoints.test_scanning import CARD, CARD_REF
from tests.integration.checkpoints.town import GREEN, FakeCodes, scan, wait_for

MASK = {"name_masked": "张*三", "document_tail": "0011"}


class Desk:
    """codes' masks, as they are asked for."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.asked.append(body)
        if self.status == 0:
            raise httpx.ReadTimeout("away")
        return httpx.Response(self.status, json={"masks": [MASK for _ in body["people"]]})


@pytest.fixture
def masks() -> Desk:
    return Desk()


@pytest.fixture
def composed(settings: CheckpointsSettings, codes: FakeCodes, masks: Desk) -> Api:
    return compose_api(settings, codes=codes, codes_transport=httpx.MockTransport(masks))


@pytest.fixture
def client(composed: Api) -> Iterator[TestClient]:
    with TestClient(composed.scan_routes) as opened:
        wait_for(lambda: composed.board.is_complete and composed.key_ring.has_keys())
        yield opened


def test_a_printed_pass_is_compared_and_a_shown_one_is_not(client, register, gate, codes, person, masks, sql):
    place = register("mall")
    _, idx = person(GREEN)
    shown = scan(place, credential={"pass": codes.mint(idx)})
    assert "person" not in client.post("/v1/scans", json=shown, headers=gate(place)).json()
    assert masks.asked == []
    printed = scan(place, credential={"pass": codes.mint(idx, key=codes.printed)})
    answer = client.post("/v1/scans", json=printed, headers=gate(place)).json()
    assert (answer["decision"], answer["person"]) == ("pass", MASK)
    assert masks.asked == [{"people": [{"list": 1, "idx": idx}], "asked_by": "gate-1"}]
    assert sql("SELECT count(*) FROM scan") == [(2,)]


def test_a_document_is_compared_at_a_road_by_its_person(client, register, gate, person, masks, sql):
    place = register("road")
    _, idx = person(GREEN, person_ref=CARD_REF)
    sql("INSERT INTO holder VALUES (1, %s, %s)", idx, CARD_REF)
    answer = client.post("/v1/scans", json=scan(place, credential={"document": CARD}), headers=gate(place)).json()
    assert answer["person"] == MASK
    assert masks.asked[0]["people"] == [{"person_ref": str(CARD_REF)}]


def test_a_batch_asks_once_and_a_refused_pass_names_nobody(client, register, gate, codes, person, masks):
    place = register("mall")
    _, idx = person(GREEN)
    printed = [scan(place, credential={"pass": codes.mint(idx, key=codes.printed)}) for _ in range(3)]
    scans = [*printed, scan(place, credential={"pass": "x.y.z"}), scan(place, credential={})]
    results = client.post("/v1/scans/batch", json={"scans": scans}, headers=gate(place)).json()["results"]
    assert [each.get("person") for each in results] == [MASK, MASK, MASK, None, None]
    assert len(masks.asked) == 1


@pytest.mark.parametrize("status", [0, 401, 500, 503])
def test_without_codes_the_scan_is_recorded_and_answered_all_the_same(
    client, register, gate, codes, person, masks, sql, status
):
    masks.status = status
    place = register("mall")
    _, idx = person(GREEN)
    for _ in range(3):
        body = scan(place, credential={"pass": codes.mint(idx, key=codes.printed)})
        answer = client.post("/v1/scans", json=body, headers=gate(place))
        assert answer.status_code == 200
        assert answer.json()["decision"] == "pass"
        assert "person" not in answer.json()
    assert sql("SELECT count(*) FROM scan") == [(3,)]
    assert len(masks.asked) == 1, "codes is left alone for a moment"
