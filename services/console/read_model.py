"""The read model: what each kind of event does to the console's totals.

Every function runs in the consumer's transaction, which drops repeats and stale revisions before it comes here. One
process applies events at a time, so a count is the sum of differences and never has to be taken again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from services.console.domain.scans import ScanTally
from services.console.domain.titles import DefinitionTitles

Place = TypeVar("Place", bound=tuple[Any, ...])
"""Where something is counted: the key columns of a row."""


@dataclass(frozen=True, slots=True)
class ColourChange:
    person_ref: UUID
    colour: str
    is_other: bool
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    alarm_id: UUID
    kind: str
    owner: str
    area: str
    checkpoint_id: str
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class CheckpointNamed:
    checkpoint_id: str
    kind: str
    name: str
    area: str


_ADD_SCANS_BY_SECOND = sa.text(
    "INSERT INTO scan_second (second, decision, scans) VALUES (:second, :decision, :scans) "
    "ON CONFLICT (second, decision) DO UPDATE SET scans = scan_second.scans + excluded.scans"
)
_ADD_SCANS_BY_DAY = sa.text(
    "INSERT INTO scan_day (day, decision, scans) VALUES (:day, :decision, :scans) "
    "ON CONFLICT (day, decision) DO UPDATE SET scans = scan_day.scans + excluded.scans"
)
_ADD_COLOURS_BY_SECOND = sa.text(
    "INSERT INTO colour_second (second, colour, people) VALUES (:second, :colour, :people) "
    "ON CONFLICT (second, colour) DO UPDATE SET people = colour_second.people + excluded.people"
)
_KNOWN_COLOURS = sa.text(
    "SELECT person_ref, colour FROM person_colour WHERE person_ref = ANY(:refs) ORDER BY person_ref FOR UPDATE"
)
_SET_COLOURS = sa.text(
    "INSERT INTO person_colour (person_ref, colour) "
    "SELECT * FROM unnest(CAST(:refs AS uuid[]), CAST(:colours AS text[])) "
    "ON CONFLICT (person_ref) DO UPDATE SET colour = excluded.colour WHERE person_colour.colour <> excluded.colour"
)
_ADD_TO_COLOUR = sa.text(
    "INSERT INTO colour_count (colour, people) VALUES (:colour, :people) "
    "ON CONFLICT (colour) DO UPDATE SET people = colour_count.people + excluded.people"
)
_KNOWN_ENTRIES = sa.text(
    "SELECT entry_id, ledger, stage FROM open_entry WHERE entry_id = ANY(:ids) ORDER BY entry_id FOR UPDATE"
)
_SET_ENTRIES = sa.text(
    "INSERT INTO open_entry (entry_id, ledger, stage) "
    "SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:ledgers AS text[]), CAST(:stages AS text[])) "
    "ON CONFLICT (entry_id) DO UPDATE SET ledger = excluded.ledger, stage = excluded.stage"
)
_ADD_TO_STAGE = sa.text(
    "INSERT INTO entry_count (ledger, stage, entries) VALUES (:ledger, :stage, :entries) "
    "ON CONFLICT (ledger, stage) DO UPDATE SET entries = entry_count.entries + excluded.entries"
)
_SET_ALARM = sa.text(
    "INSERT INTO alarm (alarm_id, kind, owner, area, checkpoint_id, raised_at) "
    "VALUES (:alarm_id, :kind, :owner, :area, :checkpoint_id, :raised_at) "
    "ON CONFLICT (alarm_id) DO UPDATE SET kind = excluded.kind, owner = excluded.owner, area = excluded.area, "
    "checkpoint_id = excluded.checkpoint_id, raised_at = excluded.raised_at"
)
_FORGET_TITLES = sa.text("DELETE FROM ledger_title WHERE ledger = :ledger AND version = :version")
_SET_LEDGER_TITLE = sa.text(
    "INSERT INTO ledger_title (ledger, version, valid_from, strength, zh, en) "
    "VALUES (:ledger, :version, :valid_from, :strength, :zh, :en)"
)
_SET_STAGE_TITLE = sa.text(
    "INSERT INTO stage_title (ledger, version, stage, zh, en) VALUES (:ledger, :version, :stage, :zh, :en)"
)
_SET_CHECKPOINT = sa.text(
    "INSERT INTO checkpoint (checkpoint_id, kind, name, area) VALUES (:checkpoint_id, :kind, :name, :area) "
    "ON CONFLICT (checkpoint_id) DO UPDATE SET kind = excluded.kind, name = excluded.name, area = excluded.area"
)


def count_scans(tx: Connection, tally: ScanTally) -> None:
    _add(tx, _ADD_SCANS_BY_SECOND, ("second", "decision"), "scans", tally.by_second)
    _add(tx, _ADD_SCANS_BY_DAY, ("day", "decision"), "scans", tally.by_day)


def change_colours(tx: Connection, changes: Sequence[ColourChange]) -> None:
    """Give each person the last of its colours, and move the counts by the difference."""
    latest = {change.person_ref: change.colour for change in changes}
    before = {row.person_ref: row.colour for row in tx.execute(_KNOWN_COLOURS, {"refs": list(latest)})}
    tx.execute(_SET_COLOURS, {"refs": list(latest), "colours": list(latest.values())})
    _add(
        tx,
        _ADD_TO_COLOUR,
        ("colour",),
        "people",
        _moved(((c,) for c in before.values()), ((c,) for c in latest.values())),
    )
    happened = Counter((c.changed_at.replace(microsecond=0), c.colour) for c in changes if c.is_other)
    _add(tx, _ADD_COLOURS_BY_SECOND, ("second", "colour"), "people", happened)


def place_entries(tx: Connection, stages: Mapping[UUID, tuple[str, str]]) -> None:
    """Put open entries at their (ledger, stage), wherever they stood before."""
    before = _entries_before(tx, stages)
    ledgers, names = zip(*stages.values(), strict=True)
    tx.execute(_SET_ENTRIES, {"ids": list(stages), "ledgers": list(ledgers), "stages": list(names)})
    _add(tx, _ADD_TO_STAGE, ("ledger", "stage"), "entries", _moved(before, stages.values()))


def close_entries(tx: Connection, entries: Iterable[UUID]) -> None:
    ids = list(entries)
    before = _entries_before(tx, ids)
    tx.execute(sa.text("DELETE FROM open_entry WHERE entry_id = ANY(:ids)"), {"ids": ids})
    _add(tx, _ADD_TO_STAGE, ("ledger", "stage"), "entries", _moved(before, ()))


def show_alarms(tx: Connection, alarms: Sequence[AlarmRaised]) -> None:
    tx.execute(_SET_ALARM, [{name: getattr(alarm, name) for name in AlarmRaised.__slots__} for alarm in alarms])


def name_checkpoints(tx: Connection, checkpoints: Sequence[CheckpointNamed]) -> None:
    tx.execute(_SET_CHECKPOINT, [{name: getattr(c, name) for name in CheckpointNamed.__slots__} for c in checkpoints])


def title_ledger(tx: Connection, titles: DefinitionTitles) -> None:
    """Give a version of a ledger and its stages the words that it was told with last."""
    key = {"ledger": titles.ledger, "version": titles.version}
    tx.execute(_FORGET_TITLES, key)
    words = {"zh": titles.label.zh, "en": titles.label.en}
    tx.execute(_SET_LEDGER_TITLE, key | words | {"valid_from": titles.valid_from, "strength": titles.strength})
    stages = [key | {"stage": each.stage, "zh": each.label.zh, "en": each.label.en} for each in titles.stages]
    if stages:
        tx.execute(_SET_STAGE_TITLE, stages)


def _entries_before(tx: Connection, entries: Iterable[UUID]) -> list[tuple[str, str]]:
    return [(row.ledger, row.stage) for row in tx.execute(_KNOWN_ENTRIES, {"ids": list(entries)})]


def _moved(before: Iterable[tuple[str, ...]], after: Iterable[tuple[str, ...]]) -> Counter[tuple[str, ...]]:
    """Per place, how many more there are now."""
    moved = Counter(after)
    moved.subtract(before)
    return moved


def _add(
    tx: Connection,
    statement: sa.TextClause,
    names: tuple[str, ...],
    counted: str,
    counts: Mapping[Place, int],
) -> None:
    """Add each difference to its row, in one order of rows, so that writers cannot deadlock."""
    rows = [dict(zip(names, place, strict=True)) | {counted: count} for place, count in sorted(counts.items()) if count]
    if rows:
        tx.execute(statement, rows)
