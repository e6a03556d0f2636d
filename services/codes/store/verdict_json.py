"""Reasons and texts as they lie in the store's JSON columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.codes.domain.colours import Colour
from services.codes.domain.rules import Text
from services.codes.domain.verdicts import Reason


def text_to(text: Text | None) -> dict[str, str] | None:
    return None if text is None else {"zh": text.zh, "en": text.en}


def text_from(written: Mapping[str, str] | None) -> Text | None:
    return None if written is None else Text(written["zh"], written["en"])


def reasons_to(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    return [
        {
            "rule": reason.rule,
            "rule_set": reason.rule_set,
            "colour": reason.colour.word,
            "text": text_to(reason.text),
            "evidence": list(reason.evidence),
            "ends_at": None if reason.ends_at is None else reason.ends_at.isoformat(),
        }
        for reason in reasons
    ]


def reasons_from(written: Sequence[Mapping[str, Any]]) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            each["rule"],
            each["rule_set"],
            Colour[each["colour"].upper()],
            Text(**each["text"]),
            tuple(each["evidence"]),
            datetime.fromisoformat(each["ends_at"]) if each.get("ends_at") else None,
        )
        for each in written
    )
