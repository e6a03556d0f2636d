"""The scan routes read bodies by hand; their schema in OpenAPI must say the same: what one refuses, the other does."""

from __future__ import annotations

import copy
import itertools
import json
import random
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from chassis.ids import uuid7
from services.checkpoints.api.scan_schemas import ScanAnswer, ScanIn
from services.checkpoints.attempts import AttemptReader, FieldError
from services.checkpoints.domain.scans import Refusal

NOW = datetime.now(UTC)
READER = AttemptReader(bytes(32))
PERSON = {"scan_id": str(uuid7(NOW)), "credential": {"pass": "a.b.c"}}
FULL: dict[str, Any] = {
    "scan_id": str(uuid7(NOW)),
    "checkpoint_id": str(uuid4()),
    "credential": {
        "pass": "a.b.c",
        "document": {"type": "passport", "country": "FR", "number": "12AB34567"},
        "plate": "粤A12345",
    },
    "people": [PERSON],
    "direction": "in",
    "temperature_c": 36.6,
    "mask": False,
    "scanned_at": NOW.isoformat(),
    "offline": {"decision": "stop", "refusal": "fever", "policy_version": "default@1", "list_revision": 17},
}
WRONG = (None, True, 7, -1, 1.5, "", "x" * 6000, "hello", [], [{}], {}, {"more": 1}, 1e300, "2022-11-22", "\x00")


def by_hand(body: object) -> bool:
    try:
        READER.read(body, NOW)
    except FieldError:
        return False
    return True


def by_schema(body: object) -> bool:
    try:
        ScanIn.model_validate_json(json.dumps(body))
    except ValidationError:
        return False
    return True


def places(body: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be changed: every member and item."""
    found = [at] if at else []
    for key in body if isinstance(body, dict) else range(len(body)) if isinstance(body, list) else ():
        found += places(body[key], (*at, key))
    return found


def changed(at: tuple[Any, ...], value: object) -> dict[str, Any]:
    body = copy.deepcopy(FULL)
    holder: Any = body
    for step in at[:-1]:
        holder = holder[step]
    holder[at[-1]] = value
    return body


def test_both_take_a_full_scan_and_one_with_only_what_is_needed():
    least = {name: FULL[name] for name in ("scan_id", "checkpoint_id", "scanned_at")} | {"credential": {"pass": "a"}}
    assert by_hand(FULL)
    assert by_schema(FULL)
    assert by_hand(least)
    assert by_schema(least)


@pytest.mark.parametrize("at", places(FULL), ids=lambda at: ".".join(map(str, at)))
def test_what_the_schema_refuses_is_refused_by_hand(at):
    for value in WRONG:
        body = changed(at, value)
        if not by_schema(body):
            assert not by_hand(body), value


BY_HAND_ONLY = {
    ("people",): "a vehicle is needed, ids differ",
    ("credential",): "one of three is needed",
    ("credential", "plate"): "4 to 12 letters and digits; people need it",
    ("credential", "document", "country"): "a code of ISO 3166-1",
    ("credential", "document", "number"): "3 to 32 letters and digits",
    ("people", 0, "credential"): "one of two is needed",
    ("people", 0, "credential", "pass"): "one of two is needed",
    ("scan_id",): "version 7, its time near scanned_at",
    ("people", 0, "scan_id"): "version 7, its time near scanned_at",
    ("scanned_at",): "7 days back, 5 minutes ahead",
}
"""What a schema cannot say; the descriptions do."""


@pytest.mark.parametrize("at", places(FULL), ids=lambda at: ".".join(map(str, at)))
def test_what_is_refused_by_hand_is_refused_by_the_schema_or_described(at):
    for value in WRONG:
        body = changed(at, value)
        if by_schema(body) and not by_hand(body):
            assert at in BY_HAND_ONLY, value


def test_unknown_members_are_refused_at_every_level_by_both():
    for at in [(), *places(FULL)]:
        body = copy.deepcopy(FULL)
        holder: Any = body
        for step in at:
            holder = holder[step]
        if isinstance(holder, dict):
            holder["unknown_member"] = 1
            assert not by_hand(body)
            assert not by_schema(body)


def test_random_bodies_are_judged_alike():
    chance = random.Random(11)
    spots = places(FULL)
    for _ in range(1500):
        at = chance.choice(spots)
        body = changed(at, chance.choice(WRONG))
        if at not in BY_HAND_ONLY:
            assert by_hand(body) == by_schema(body)


def test_the_answer_has_every_refusal_of_the_contract():
    schema = ScanAnswer.model_json_schema()
    refusals = next(each["enum"] for each in schema["properties"]["refusal"]["anyOf"] if "enum" in each)
    assert sorted(refusals) == sorted(Refusal)
    assert list(itertools.chain(schema["required"])) == [
        "scan_id",
        "decision",
        "colour",
        "refusal",
        "say",
        "policy_version",
        "board_revision",
        "recorded_at",
    ]
