"""How figures are written; `static/slots.js` writes them the same way, so that a page does not jump when it wakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

NOTHING = "–"


def number(value: float) -> str:
    return f"{value:,}"


def rate(value: float) -> str:
    """Tenths matter while there are few."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def share(value: float) -> str:
    """Per cent, with the decimals that a city of millions needs for its few reds."""
    return f"{value:.2f} %" if 0 < value < 1 or 99 < value < 100 else f"{value:.1f} %"


def changes(value: int) -> str:
    """How often something happened; a dash where it did not. No sign: it is no difference."""
    return f"{value:,}" if value else NOTHING


def stages(value: Sequence[Mapping[str, Any]]) -> str:
    """Each stage in both languages, where it has both, and its entries."""
    return " · ".join(
        " ".join(filter(None, (each["label"]["zh"], each["label"]["en"], f"{each['entries']:,}"))) for each in value
    )


def lag(value: Mapping[str, int]) -> str:
    """Records that wait, by topic without its version; only where some do."""
    if not value:
        return NOTHING
    return " · ".join(f"{topic.rsplit('.v', 1)[0]} {records:,}" for topic, records in value.items() if records) or "0"


def text(value: object) -> str:
    return str(value)


def formats(zone: ZoneInfo) -> dict[str, Callable[[Any], str]]:
    def time(value: str) -> str:
        return datetime.fromisoformat(value).astimezone(zone).strftime("%H:%M:%S")

    return {
        "number": number,
        "rate": rate,
        "share": share,
        "changes": changes,
        "stages": stages,
        "lag": lag,
        "text": text,
        "time": time,
    }


def written(values: Any, path: str, write: Callable[[Any], str]) -> str:
    """The value at a dotted path as text; a dash where there is none yet."""
    for name in path.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return NOTHING if values is None or values == "" else write(values)
