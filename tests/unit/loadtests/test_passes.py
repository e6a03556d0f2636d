"""What the load's clients mint is what codes mints: checkpoints reads it, and codes takes the same key file."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtests.passes import Mint, make_signing_keys
from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.scans import Entry, Refusal
from services.checkpoints.key_ring import KeyRing
from services.codes.signing import read_signing_keys

_URI = "https://guanka.example/s"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "signing.json"
    path.write_text(make_signing_keys(datetime.now(UTC)))
    return path


def test_a_pass_of_the_load_is_read_by_checkpoints(keys: Path) -> None:
    ring = KeyRing(_URI)
    assert ring.put(read_signing_keys(keys).jwks())
    now = time.time()
    token = Mint(keys, _URI).shown(3, 1_048_575, now).decode()
    assert ring.read(token, datetime.fromtimestamp(now, UTC)) == ReadPass(Entry(3, 1_048_575), int(now))
    assert ring.read(token, datetime.fromtimestamp(now + 61, UTC)) is Refusal.PASS_EXPIRED


def test_a_printed_pass_of_the_load_is_read_by_checkpoints(keys: Path) -> None:
    ring = KeyRing(_URI)
    assert ring.put(read_signing_keys(keys).jwks())
    now = time.time()
    token = Mint(keys, _URI).printed(3, 1_048_575, now).decode()
    read = ring.read(token, datetime.fromtimestamp(now + 86_400, UTC))
    assert isinstance(read, ReadPass)
    assert (read.entry, read.shown_at_s) == (Entry(3, 1_048_575), None)
