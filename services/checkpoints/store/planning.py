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

_MODE = "SET LOCAL plan_cache_mode = "


@contextmanager
def planned_with_values(tx: Connection) -> Iterator[None]:
    """What is executed inside is planned with its values, each time; an error ends the transaction anyway."""
    tx.execute(sa.text(_MODE + "force_custom_plan"))
    yield
    tx.execute(sa.text(_MODE + "auto"))
