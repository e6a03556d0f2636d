"""What a recorded scan says of what happened at the gate, where that may differ from what the server decides."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.integration.checkpoints.town import scan_fact

NOON = datetime(2020, 2, 17, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "is_stop"),
    [
        ({"decision": "stop"}, True),
        ({"decision": "stop", "offline_decision": "stop"}, True),
        ({"decision": "stop", "offline_decision": "pass"}, False),
        ({"decision": "stop", "offline_decision": "check"}, False),
        ({"decision": "pass", "offline_decision": "stop"}, False),
        ({"decision": "check"}, False),
        ({"decision": "stop", "person_ref": None}, False),
        ({"decision": "stop", "is_self_reported": True}, False),
    ],
)
def test_a_stop_of_somebody_is_one_that_the_gate_made_and_the_server_makes_too(more, is_stop):
    assert scan_fact(NOON, **more).is_stop_of_someone() is is_stop


@pytest.mark.parametrize(
    ("more", "differs"),
    [
        ({}, False),
        ({"offline_decision": "pass"}, False),
        ({"offline_decision": "check"}, True),
        ({"decision": "stop", "offline_decision": "pass"}, True),
        ({"vehicle_ref": uuid4(), "decision": "stop", "offline_decision": "pass"}, True),
        ({"vehicle_ref": uuid4(), "offline_decision": "stop"}, False),
        ({"vehicle_ref": uuid4(), "person_ref": None, "list": 0, "offline_decision": "stop"}, True),
        (
            {"vehicle_ref": uuid4(), "person_ref": None, "list": 0, "decision": "stop", "offline_decision": "check"},
            True,
        ),
    ],
)
def test_a_gate_decided_otherwise_and_of_a_vehicle_s_people_only_what_was_laxer_counts(more, differs):
    assert scan_fact(NOON, **more).is_decided_otherwise_offline() is differs
