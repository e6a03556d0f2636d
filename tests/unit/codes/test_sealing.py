"""Sealed texts open only for the person and the column they belong to."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from chassis.settings import SettingsError
from services.codes.sealing import Sealer, read_data_keys

KEYS = {"d1": bytes(32), "d2": bytes([7] * 32)}


def test_a_sealed_text_opens_for_its_person_and_column() -> None:
    sealer, person = Sealer("d1", KEYS), uuid4()
    sealed = sealer.seal("陈小明", person, "name")
    assert "陈小明".encode() not in sealed
    assert sealer.open(sealed, person, "name") == "陈小明"
    for other, column in ((uuid4(), "name"), (person, "phone")):
        with pytest.raises(InvalidTag):
            sealer.open(sealed, other, column)


def test_the_same_text_is_sealed_differently_each_time() -> None:
    sealer, person = Sealer("d1", KEYS), uuid4()
    assert sealer.seal("x", person, "name") != sealer.seal("x", person, "name")


def test_what_an_older_key_sealed_still_opens() -> None:
    person = uuid4()
    sealed = Sealer("d1", KEYS).seal("x", person, "name")
    assert Sealer("d2", KEYS).open(sealed, person, "name") == "x"


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "{}",
        json.dumps({"current": "d2", "keys": {"d1": "00" * 32}}),
        json.dumps({"current": "d1", "keys": {"d1": "00" * 31}}),
        json.dumps({"current": "d1", "keys": {"d1": "zz"}}),
    ],
)
def test_a_file_that_is_no_set_of_keys_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(SettingsError, match="DATA_KEYS_FILE"):
        read_data_keys(tmp_path / "data.json")
