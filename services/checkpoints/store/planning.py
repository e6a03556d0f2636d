"""Statements that name both whom or where, and a range of scan_ids that spares PostgreSQL all other days.

Such a range can be walked by the primary key too. While a day is young both ways look the same, and a plan for all
values, once made, is kept: it read every scan of the last minutes once for each person. With the values at hand, and
made anew each time, the plan knows how many scans lie in between.

For many people at once that costs more than the answer. `plan_once` keeps one plan for all values, made so that it
can only go by an index. Such statements bound the range below alone: bounded on both sides, and without statistics, it
looks so narrow that the primary key is preferred to a list of people.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection

_SETTINGS = "SELECT set_config('plan_cache_mode', '{}', true), set_config('enable_bitmapscan', '{}', true)"
_WITH_VALUES = sa.text(_SETTINGS.format("force_custom_plan", "on"))
_ONCE = sa.text(_SETTINGS.format("force_generic_plan", "off"))
_AS_BEFORE = sa.text(_SETTINGS.format("auto", "on"))


@contextmanager
def planned_with_values(tx: Connection) -> Iterator[None]:
    """What is executed inside is planned with its values, each time; an error ends the transaction anyway."""
    tx.execute(_WITH_VALUES)
    yield
    tx.execute(_AS_BEFORE)


def plan_once(tx: Connection) -> None:
    """From here on, statements of this transaction are planned once for all values, by indexes alone."""
    tx.execute(_ONCE)
