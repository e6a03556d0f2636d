"""The table of used-up passes, emptied in turn: a key lives as long as its pass may be shown, and some minutes more.

A pass lies in one of four slots, by the two minutes in which it was issued. At any moment the passes that may be shown
are of this slot and of the one before or after it, so the one opposite may be emptied. Emptying a table costs nothing;
deleting its rows one by one would cost as much as writing them.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

SLOT_S, SLOTS = 120, 4
EMPTY_S = 30.0
"""How often it is looked whether the slot opposite holds anything."""
USED_PASS_TABLES = tuple(f"used_pass_{slot}" for slot in range(SLOTS))
_PATIENCE = "SET LOCAL lock_timeout = '500ms'"
"""Who waits for the table keeps those from it who come after: the next time will do."""


def opposite_slot(now: datetime) -> int:
    return (int(now.timestamp()) // SLOT_S + SLOTS // 2) % SLOTS


def empty_opposite(tx: Connection, now: datetime) -> None:
    table = f"used_pass_{opposite_slot(now)}"
    if tx.execute(sa.text(f"SELECT EXISTS (SELECT FROM {table})")).scalar_one():  # noqa: S608 (our own name)
        tx.execute(sa.text(_PATIENCE))
        tx.execute(sa.text(f"TRUNCATE {table}"))
