"""Statements that name both whom or where, and a range of scan_ids that spares PostgreSQL all other days.

Such a range can be walked by the primary key too. While a day is young both ways look the same, and a plan for all
values, once made, is kept: it read every scan of the last minutes once for each person. With the values at hand, and
made anew each time, the plan knows how many scans lie in between.

For many people at once that costs more than the answer. `plan_once` keeps one plan for all values, made so that it
can only go by an index, one person after the other. `DAYS` is written so that the primary key never looks better.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection

DAYS = "s.scan_id >= :from_id AND s.scan_id < ANY(CAST(ARRAY[:to_id] AS uuid[]))"
"""`< ANY` of one value is `<`, and spares the other days too; but the planner takes the two for no narrow range."""

_SETTINGS = """
SELECT set_config('plan_cache_mode', '{}', true), set_config('enable_bitmapscan', '{}', true),
       set_config('enable_seqscan', '{}', true)
"""
_WITH_VALUES = sa.text(_SETTINGS.format("force_custom_plan", "on", "on"))
_ONCE = sa.text(_SETTINGS.format("force_generic_plan", "off", "off"))
_AS_BEFORE = sa.text(_SETTINGS.format("auto", "on", "on"))


@contextmanager
def planned_with_values(tx: Connection) -> Iterator[None]:
    """What is executed inside is planned with its values, each time; an error ends the transaction anyway."""
    tx.execute(_WITH_VALUES)
    yield
    tx.execute(_AS_BEFORE)


def plan_once(tx: Connection) -> None:
    """From here on, statements of this transaction are planned once for all values, by indexes alone."""
    tx.execute(_ONCE)
