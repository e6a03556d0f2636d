"""The board of an api process: complete before it is ready, fresh within a moment, healed where something is lost."""

from __future__ import annotations

import time

from fastapi.testclient import TestClient

from services.checkpoints.domain.scans import Colour, Entry
from services.checkpoints.main import compose_api
from tests.integration.checkpoints.town import GREEN, RED, YELLOW, scan, wait_for


def colour(composed, idx):
    return composed.board.standing_of(Entry(1, idx), time.time()).colour


def test_a_change_reaches_the_board_within_a_moment(client, composed, topic, person):
    _, idx = person(GREEN)
    topic.recolour(idx, RED)
    wait_for(lambda: colour(composed, idx) is Colour.RED, deadline_s=2)


def test_people_enrolled_before_the_start_are_there(codes, composed):
    _, idx = codes.enrol(YELLOW)
    with TestClient(composed.scan_routes):
        wait_for(lambda: composed.board.is_complete)
        assert colour(composed, idx) is Colour.YELLOW


def test_a_lost_change_is_a_gap_and_the_list_is_fetched_again(client, composed, topic, person, codes):
    _, idx = person(GREEN)
    _, other = person(GREEN)
    codes.asked.clear()
    topic.recolour(idx, RED, is_told=False)
    topic.recolour(other, YELLOW)
    wait_for(lambda: colour(composed, idx) is Colour.RED)
    assert colour(composed, other) is Colour.YELLOW
    assert "list 1" in codes.asked
    assert composed.board.revisions() == codes.revision


def test_a_lost_last_change_is_seen_by_the_heartbeat(client, composed, topic, person):
    _, idx = person(GREEN)
    topic.recolour(idx, RED, is_told=False)
    topic.beat()
    wait_for(lambda: colour(composed, idx) is Colour.RED)


def test_a_gap_while_codes_is_away_is_healed_when_it_comes_back(client, composed, topic, person, codes):
    _, idx = person(GREEN)
    codes.is_away = True
    topic.recolour(idx, RED, is_told=False)
    topic.beat()
    wait_for(lambda: "list 1" in codes.asked[-3:])
    assert colour(composed, idx) is Colour.GREEN
    codes.is_away = False
    wait_for(lambda: colour(composed, idx) is Colour.RED)


def test_heartbeats_keep_the_board_young_and_their_absence_makes_it_stale(settings, codes, topic):
    young = compose_api(settings.model_copy(update={"board_stale_s": 0.6}), codes=codes)
    with TestClient(young.scan_routes):
        wait_for(lambda: young.board.is_complete)
        wait_for(lambda: young.board.is_stale(time.time()))
        topic.beat()
        wait_for(lambda: not young.board.is_stale(time.time()))
        wait_for(lambda: young.board.is_stale(time.time()))


def test_a_stale_board_is_checked_by_policy(settings, codes, topic, register, gate, person, client, composed):
    place = register()
    _, idx = person(GREEN)
    composed.board._complete_at_s -= 3600
    body = client.post("/v1/scans", json=scan(place, credential={"pass": codes.mint(idx)}), headers=gate(place)).json()
    assert (body["decision"], body["refusal"], body["colour"]) == ("check", "board_stale", "green")


def test_not_ready_before_the_board_is_complete(settings, codes):
    codes.is_away = True
    composed = compose_api(settings, codes=codes)
    with TestClient(composed.scan_routes) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["board"]["ready"] is False
        assert answer.json()["checks"]["database"]["ready"] is True
        codes.is_away = False
        wait_for(lambda: client.get("/readyz").status_code == 200)


def test_a_restart_without_codes_uses_the_snapshot_the_log_and_the_known_keys(
    settings, codes, topic, register, client, person, worker, gate
):
    place = register()
    _, idx = person(GREEN)
    worker.holders.load_snapshot()
    worker.holders.catch_up()
    topic.recolour(idx, RED)
    topic.beat()
    codes.is_away = True
    again = compose_api(settings, codes=codes)
    with TestClient(again.scan_routes) as restarted:
        wait_for(lambda: restarted.get("/readyz").status_code == 200)
        assert colour(again, idx) is Colour.RED
        sent = scan(place, credential={"pass": codes.mint(idx)})
        assert restarted.post("/v1/scans", json=sent, headers=gate(place)).json()["colour"] == "red"


def test_without_the_log_the_board_is_kept_fresh_by_asking_codes(settings, codes, topic):
    alone = compose_api(settings.model_copy(update={"event_log_url": "kafka:127.0.0.1:9"}), codes=codes)
    _, idx = codes.enrol(GREEN)
    with TestClient(alone.scan_routes) as client:
        wait_for(lambda: client.get("/readyz").status_code == 200)
        assert not alone.board.is_stale(time.time())
        topic.recolour(idx, RED, is_told=False)
        wait_for(lambda: colour(alone, idx) is Colour.RED)


def test_every_process_has_the_same_hash(settings, codes, topic, client, composed, person, issuer):
    for shade in (GREEN, RED, YELLOW):
        person(shade)
    other = compose_api(settings, codes=codes)
    with TestClient(other.scan_routes) as second:
        wait_for(lambda: other.board.is_complete)
        boards = [each.get("/v1/board", headers=issuer.headers("operator")).json() for each in (client, second)]
    assert boards[0]["hash"] == boards[1]["hash"]
    assert boards[0]["lists"] == [{"list": 1, "revision": codes.revision[1]}]
    assert boards[0]["complete"]
    assert not boards[0]["stale"]
