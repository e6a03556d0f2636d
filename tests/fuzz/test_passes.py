"""20,000 passes that codes never signed, always the same ones: none is good. The long run is `make fuzz`."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from services.checkpoints.domain.scans import Entry
from tests.fuzz.passes import FAMILIES, NOW_S, Mint, accepted_of

AT = datetime.fromtimestamp(NOW_S, UTC)


def test_the_good_passes_that_the_mutated_ones_come_from_are_good() -> None:
    mint = Mint(random.Random(1))
    ring = mint.ring()
    assert [ring.read(token, AT).entry for token in mint.good] == [Entry(1, idx) for idx in range(len(mint.good))]


def test_no_mutated_pass_is_accepted() -> None:
    refusals, accepted = accepted_of(20_000, seed=1)
    assert accepted == []
    assert refusals.total() == 20_000
    assert set(refusals) == {"pass_forged", "pass_expired", "pass_not_yet_valid"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_makes_passes_that_differ(family: Callable[[Mint], str]) -> None:
    mint = Mint(random.Random(2))
    assert len({family(mint) for _ in range(200)}) > 20
