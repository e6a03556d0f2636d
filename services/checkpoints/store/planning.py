"""Statements that name both whom or where, and a range of scan_ids that spares PostgreSQL all other days.

Such a range can be walked by the primary key too. While a day is young both ways look the same, and a plan for all
values, once made, is kept: it read every scan of the last minutes once for each person. With the values at hand, and
made anew each time, the plan knows how many scans lie in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection

_WITH_VALUES = sa.text("SET LOCAL plan_cache_mode = force_custom_plan")
_AS_BEFORE = sa.text("SET LOCAL plan_cache_mode = auto")
_SETTINGS = "SELECT set_config('plan_cache_mode', '{}', true), set_config('enable_bitmapscan', '{}', true)"
_BY_ONE_INDEX = sa.text(_SETTINGS.format("force_custom_plan", "off"))
_BY_ANY = sa.text(_SETTINGS.format("auto", "on"))


@contextmanager
def planned_with_values(tx: Connection, *, by_one_index: bool = False) -> Iterator[None]:
    """What is executed inside is planned with its values, each time; an error ends the transaction anyway.

    `by_one_index`: for a list of people and a day. Without statistics, as on a young day, the planner would read the
    whole day by the primary key too, to combine what it finds.
    """
    tx.execute(_BY_ONE_INDEX if by_one_index else _WITH_VALUES)
    yield
    tx.execute(_BY_ANY if by_one_index else _AS_BEFORE)
