"""The board's state and the live figures over HTTP."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from chassis.auth import Bearer, needs, require_area
from chassis.collisions import DoneAgain
from services.checkpoints.api.desk import AtDesk
from services.checkpoints.api.models import (
    AreaFigures,
    BoardOut,
    CheckpointFigures,
    Decisions,
    Figures,
    ListOut,
    LiveOut,
)
from services.checkpoints.store import history

router = APIRouter(route_class=DoneAgain, tags=["live"])
_MINUTE, _RATE_S = timedelta(seconds=60), 10


@router.get("/v1/board", response_model=BoardOut)
def board(_bearer: Annotated[Bearer, Depends(needs("operator", "service", scope="board"))], desk: AtDesk) -> BoardOut:
    """This process's replica of the status lists: every process with the same revisions has the same hash."""
    now_s = desk.clock().timestamp()
    fingerprint = desk.board.fingerprint()
    return BoardOut(
        lists=[ListOut(list=number, revision=revision) for number, revision in fingerprint.revisions.items()],
        complete=desk.board.is_complete,
        age_s=round(desk.board.age_s(now_s), 3),
        stale=desk.board.is_stale(now_s),
        hash=fingerprint.hash,
    )


@router.get("/v1/stats/live", response_model=LiveOut)
def live(bearer: Annotated[Bearer, Depends(needs("operator", "service", scope="figures"))], desk: AtDesk) -> LiveOut:
    """Scans a second, and decisions by colour, area and checkpoint: the last minute, and the city's day so far."""
    require_area(bearer, bearer.area)
    now = desk.clock()
    day = now.astimezone(desk.zone).date()
    with desk.database.transaction() as tx:
        recent = history.pulse_since(tx, now - timedelta(seconds=_RATE_S + history.PULSE_SLOT_S), bearer.area)
        minute = history.pulse_since(tx, now - _MINUTE, bearer.area)
        today = history.tally_of_day(tx, day, bearer.area)
    return LiveOut(
        at=now,
        day=day.isoformat(),
        scans_per_s=round(sum(row.scans for row in recent) / (_RATE_S + history.PULSE_SLOT_S), 1),
        last_minute=_figures(minute),
        today=_figures(today),
    )


def _figures(rows: Sequence[Any]) -> Figures:
    by_district, by_checkpoint = defaultdict(list), defaultdict(list)
    for row in rows:
        by_district[row.area[:6]].append(row)
        by_checkpoint[row.checkpoint_id, row.kind, row.name, row.area].append(row)
    colours: dict[str, int] = defaultdict(int)
    for row in rows:
        colours[row.colour] += row.scans
    return Figures(
        scans=_sum(rows),
        decisions=_decisions(rows),
        colours=colours,
        areas=[
            AreaFigures(area=area, scans=_sum(own), decisions=_decisions(own))
            for area, own in sorted(by_district.items())
        ],
        checkpoints=[
            CheckpointFigures(
                checkpoint_id=identifier, kind=kind, name=name, area=area, scans=_sum(own), decisions=_decisions(own)
            )
            for (identifier, kind, name, area), own in sorted(by_checkpoint.items())
        ],
    )


def _sum(rows: Sequence[Any]) -> int:
    return sum(row.scans for row in rows)


def _decisions(rows: Sequence[Any]) -> Decisions:
    counts: Decisions = {"pass": {}, "check": {}, "stop": {}}
    for row in rows:
        by_colour = counts[row.decision]
        by_colour[row.colour] = by_colour.get(row.colour, 0) + row.scans
    return counts
