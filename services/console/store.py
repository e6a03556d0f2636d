"""Reads the figures from the console's own database: a handful of small statements, whatever the city's size."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from services.console.areas import Areas
from services.console.domain.figures import (
    ALARMS_SHOWN_MAX,
    CHANGES_MINUTES,
    CHART_S,
    Alarm,
    AreaAlarms,
    Figures,
    colour_figures,
    ledger_figures,
    scan_figures,
)
from services.console.domain.titles import DefinitionTitles, StageTitle, Titles
from services.console.domain.words import ALARMS, Label, label_of

_SCANS_BY_SECOND = sa.text("SELECT second, decision, scans FROM scan_second WHERE second > :since")
_SCANS_OF_DAY = sa.text("SELECT decision, scans FROM scan_day WHERE day = :day")
_COLOURS = sa.text("SELECT colour, people FROM colour_count")
_CHANGED = sa.text(
    "SELECT colour, sum(people)::bigint AS people FROM colour_second WHERE second > :since GROUP BY colour"
)
_ENTRIES = sa.text("SELECT ledger, stage, entries FROM entry_count")
_TITLES = sa.text(
    "SELECT l.ledger, l.version, l.valid_from, l.strength, l.zh, l.en, s.stage, s.zh AS stage_zh, s.en AS stage_en "
    "FROM ledger_title AS l LEFT JOIN stage_title AS s USING (ledger, version) ORDER BY l.ledger, l.version"
)
_ALARMS_OF_DAY = sa.text("SELECT count(*) FROM alarm WHERE raised_at >= :midnight")
# An alarm is in a subtree where it happened there or its owner sits there, as the ledger lists them.
_ALARMS = sa.text("""
SELECT w.reached, n.*, coalesce(c.name, '') AS checkpoint_name
FROM unnest(CAST(:areas AS text[])) AS w (reached) CROSS JOIN LATERAL (
    SELECT a.alarm_id, a.kind, a.owner, a.area, a.checkpoint_id, a.raised_at FROM alarm AS a
    WHERE left(a.area, length(w.reached)) = w.reached
       OR left(substring(a.owner FROM '[0-9]*$'), length(w.reached)) = w.reached
    ORDER BY a.raised_at DESC, a.alarm_id LIMIT :shown
) AS n LEFT JOIN checkpoint AS c USING (checkpoint_id)
ORDER BY n.raised_at DESC, n.alarm_id
""")
_ALARMS_OF_DAY_BY_AREA = sa.text("""
SELECT w.reached, count(*) AS alarms
FROM unnest(CAST(:areas AS text[])) AS w (reached) JOIN alarm AS a ON a.raised_at >= :midnight AND (
    left(a.area, length(w.reached)) = w.reached
    OR left(substring(a.owner FROM '[0-9]*$'), length(w.reached)) = w.reached
)
GROUP BY w.reached
""")


def read_figures(tx: Connection, *, now: datetime, zone: ZoneInfo) -> Figures:
    """The city's totals at `now`, as far as the read model knows; before its first event all are zero."""
    known_until = _known_until(tx, now)
    local, midnight = known_until.astimezone(zone), _midnight(known_until, zone)
    by_second = tx.execute(_SCANS_BY_SECOND, {"since": known_until - timedelta(seconds=CHART_S + 5)})
    today = tx.execute(_SCANS_OF_DAY, {"day": local.date()})
    people = tx.execute(_COLOURS)
    changed = tx.execute(_CHANGED, {"since": known_until - timedelta(minutes=CHANGES_MINUTES)})
    entries = {(row.ledger, row.stage): row.entries for row in tx.execute(_ENTRIES)}
    ledgers = ledger_figures(entries, read_titles(tx, now))
    return Figures(
        known_until=known_until,
        age_s=round((now - known_until).total_seconds(), 1),
        scans=scan_figures(
            {(row.second, row.decision): row.scans for row in by_second},
            {row.decision: row.scans for row in today},
            known_until,
        ),
        colours=colour_figures({row.colour: row.people for row in people}, {row.colour: row.people for row in changed}),
        entries=sum(each.entries for each in ledgers),
        ledgers=ledgers,
        alarms_today=tx.execute(_ALARMS_OF_DAY, {"midnight": midnight}).scalar_one(),
    )


def read_alarms(
    tx: Connection, reached: Collection[str], *, now: datetime, zone: ZoneInfo, areas: Areas
) -> dict[str, AreaAlarms]:
    """By subtree of `reached` its newest alarms; two statements, however many subtrees are watched."""
    if not reached:
        return {}
    midnight, asked = _midnight(_known_until(tx, now), zone), sorted(reached)
    newest: dict[str, list[Alarm]] = {area: [] for area in asked}
    for row in tx.execute(_ALARMS, {"areas": asked, "shown": ALARMS_SHOWN_MAX}):
        newest[row.reached].append(_alarm(row, areas))
    counted = tx.execute(_ALARMS_OF_DAY_BY_AREA, {"areas": asked, "midnight": midnight})
    today = {row.reached: row.alarms for row in counted}
    return {area: AreaAlarms(today.get(area, 0), newest[area]) for area in asked}


def _known_until(tx: Connection, now: datetime) -> datetime:
    stored: datetime | None = tx.execute(sa.text("SELECT known_until FROM freshness")).scalar_one_or_none()
    return min(stored or now, now)


def _midnight(known_until: datetime, zone: ZoneInfo) -> datetime:
    return known_until.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def read_titles(tx: Connection, now: datetime) -> Titles:
    definitions = []
    for (ledger, version), rows in groupby(tx.execute(_TITLES), key=lambda row: (row.ledger, row.version)):
        first, *more = rows
        stages = [StageTitle(row.stage, Label(row.stage_zh, row.stage_en)) for row in (first, *more) if row.stage]
        label = Label(first.zh, first.en)
        definitions.append(DefinitionTitles(ledger, version, first.valid_from, first.strength, label, stages))
    return Titles(definitions, now)


def _alarm(row: Row[tuple[object, ...]], areas: Areas) -> Alarm:
    return Alarm(
        alarm_id=str(row.alarm_id),
        kind=row.kind,
        label=label_of(ALARMS, row.kind),
        owner=areas.owner_of(row.owner),
        area=row.area,
        area_name=areas.name_of(row.area),
        checkpoint_name=row.checkpoint_name,
        raised_at=row.raised_at,
    )
