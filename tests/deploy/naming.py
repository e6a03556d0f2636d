"""Reads the names of metrics as Prometheus advises to write them, by the rules of its own `promtool check metrics`."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_ABBREVIATIONS = re.compile(r"m?s|us|ns|sec|[kmgtp]?b|m|h|d")
_NOT_BASE = re.compile(
    r"(milli|micro|nano)seconds|minutes|hours|days|weeks|(kilo|mega|giga|tera|kibi|mebi|gibi)bytes|bits|percents?"
    r"|(milli|centi|kilo)meters|(kilo|milli)grams|fahrenheit|kelvins?"
)


def faults_of(name: str, kind: str) -> list[str]:
    """What is wrong with a family's name, a counter's with its `_total`; `kind` is its type as `/metrics` tells it."""
    parts = name.split("_")
    faults = []
    if not _NAME.fullmatch(name):
        faults.append("small letters, digits, and single _ between words")
    faults += [f"`{part}` abbreviates a unit" for part in parts[1:] if _ABBREVIATIONS.fullmatch(part)]
    faults += [f"`{part}` is no base unit" for part in parts if _NOT_BASE.fullmatch(part)]
    if kind == "counter" and parts[-1] != "total":
        faults.append("a counter ends in _total")
    if kind != "counter" and parts[-1] in ("total", "count", "sum", "bucket"):
        faults.append(f"`{parts[-1]}` is said of a {kind}")
    if kind == "unknown":
        faults.append("has no type")
    return faults
