"""Scans as gates send them: what is answered, what is recorded, what is told."""

from __future__ import annotations

import pytest

from tests.integration.checkpoints.town import GREEN, LAPSED, RED, YELLOW, scan
from wire.checkpoints.v1 import events_pb2 as wire


@pytest.mark.parametrize(
    ("colour", "decision", "name"),
    [(GREEN, "pass", "green"), (YELLOW, "stop", "yellow"), (RED, "stop", "red"), (LAPSED, "check", "lapsed")],
)
def test_the_colour_on_the_board_decides_at_the_metro(client, register, gate, codes, colour, decision, name, sql):
    person, idx = codes.enrol(colour)
    composed_board_knows(client, codes)
    place = register("metro")
    sent = scan(place, credential={"pass": codes.mint(idx)}, temperature_c=36.5, direction="in")

    answer = client.post("/v1/scans", json=sent, headers=gate(place))

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["scan_id"], body["decision"], body["colour"], body["refusal"]) == (
        sent["scan_id"],
        decision,
        name,
        None,
    )
    assert body["say"]["zh"]
    assert body["say"]["en"]
    assert body["policy_version"] == "default@1"
    assert sql("SELECT decision, colour, list, idx FROM scan") == [(decision, name, 1, idx)]
    [(kind, payload)] = sql("SELECT type, payload FROM outbox WHERE aggregatetype = 'scan'")
    told = wire.ScanRecorded.FromString(payload)
    assert kind == "guanka.checkpoints.v1.ScanRecorded"
    assert (told.scan_id, told.decision, told.colour, told.kind) == (sent["scan_id"], decision, name, "metro")
    assert told.temperature_c == 36.5


def composed_board_knows(client, codes):
    """Enrolled after the board was filled: fill it again."""
    app = client.app._app
    board = app.state.desk.board
    found = codes.standing_list(1, has_persons=False)
    board.put(1, found.revision, found.packed)
