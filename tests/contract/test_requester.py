"""Who asked for a trace: the ledger tells a pseudonym, and checkpoints makes the same of who approves."""

from __future__ import annotations

from services.checkpoints.domain.facts import official_of
from services.ledger.domain.contacts import pseudonym_of

CITY_KEY, OTHER_KEY = bytes.fromhex("0f" * 32), bytes.fromhex("1f" * 32)


def test_the_ledger_and_checkpoints_give_one_person_one_pseudonym_under_the_city_s_key():
    for subject in ("zhang", "development-authority", "张三@cdc", "x" * 200):
        assert pseudonym_of(CITY_KEY, subject) == official_of(CITY_KEY, subject).pseudonym
        assert pseudonym_of(OTHER_KEY, subject) != pseudonym_of(CITY_KEY, subject)
    assert len({pseudonym_of(CITY_KEY, subject) for subject in ("zhang", "Zhang", "zhan", "g")}) == 4
