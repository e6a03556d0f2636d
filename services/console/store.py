"""Reads the figures from the console's own database: a handful of small statements, whatever the city's size."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from services.console.areas import Areas
from services.console.domain.figures import (
    ALARMS_SHOWN_MAX,
    CHANGES_MINUTES,
    CHART_S,
    Alarm,
    Figures,
    colour_figures,
    ledger_figures,
    scan_figures,
)
from services.console.domain.words import ALARMS, label_of

_SCANS_BY_SECOND = sa.text("SELECT second, decision, scans FROM scan_second WHERE second > :since")
_SCANS_OF_DAY = sa.text("SELECT decision, scans FROM scan_day WHERE day = :day")
_COLOURS = sa.text("SELECT colour, people FROM colour_count")
_CHANGED = sa.text(
    "SELECT colour, sum(people)::bigint AS people FROM colour_second WHERE second > :since GROUP BY colour"
)
_ENTRIES = sa.text("SELECT ledger, stage, entries FROM entry_count")
_ALARMS_OF_DAY = sa.text("SELECT count(*) FROM alarm WHERE raised_at >= :midnight")
_ALARMS = sa.text(
    "SELECT a.alarm_id, a.kind, a.owner, a.area, a.raised_at, coalesce(c.name, '') AS checkpoint_name "
    "FROM alarm AS a LEFT JOIN checkpoint AS c USING (checkpoint_id) ORDER BY a.raised_at DESC, a.alarm_id LIMIT :shown"
)


def read_figures(tx: Connection, *, now: datetime, zone: ZoneInfo, areas: Areas) -> Figures:
    """The picture at `now`, as far as the read model knows (before its first event: all zero, known until now)."""
    stored: datetime | None = tx.execute(sa.text("SELECT known_until FROM freshness")).scalar_one_or_none()
    known_until = min(stored or now, now)
    local = known_until.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    by_second = tx.execute(_SCANS_BY_SECOND, {"since": known_until - timedelta(seconds=CHART_S + 5)})
    today = tx.execute(_SCANS_OF_DAY, {"day": local.date()})
    people = tx.execute(_COLOURS)
    changed = tx.execute(_CHANGED, {"since": known_until - timedelta(minutes=CHANGES_MINUTES)})
    ledgers = ledger_figures({(row.ledger, row.stage): row.entries for row in tx.execute(_ENTRIES)})
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
        alarms=[_alarm(row, areas) for row in tx.execute(_ALARMS, {"shown": ALARMS_SHOWN_MAX})],
    )


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
