"""The console's page has words for what the ledger tells."""

from __future__ import annotations

from services.console.domain.words import ALARMS
from services.ledger.domain.alarms import AlarmKind


def test_every_kind_of_alarm_has_words_in_both_languages() -> None:
    assert ALARMS.keys() == {str(kind) for kind in AlarmKind}
    assert all(label.zh and label.en for label in ALARMS.values())
