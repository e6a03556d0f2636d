"""After a restore from backup: what was given out since the backup, and is not known here any more, names nobody else.

Readers of the status lists hold newer revisions than a restored database; entries that were given since the backup
stand in printed passes. So every list goes on at a revision that no reader can have, the list that may have been opened
since is opened empty, and new people get entries of lists that never were. Gates are told by the epoch in signed lists,
which is the time of the restore, so that a second one from the same backup is a later one.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from services.codes.domain.permutation import LIST_FULL_AT

REVISIONS_AHEAD = 1_000_000_000
"""More than a list can have been changed since any backup; far below what a float of JavaScript holds exactly."""


def go_on_beyond_the_backup(tx: Connection, now: datetime) -> int:
    """The number of the list from which new people get their entries."""
    last = int(tx.execute(sa.text("SELECT max(list) FROM status_list")).scalar_one())
    tx.execute(sa.text("INSERT INTO status_list (list) VALUES (:list)"), {"list": last + 1})
    for table in ("status_list", "heartbeat"):
        tx.execute(sa.text(f"UPDATE {table} SET revision = revision + :by"), {"by": REVISIONS_AHEAD})  # noqa: S608
    raised = "INSERT INTO list_epoch (epoch) VALUES (:now) ON CONFLICT (only_row) DO UPDATE SET epoch = excluded.epoch"
    tx.execute(sa.text(raised), {"now": int(now.timestamp())})
    tx.execute(sa.text("SELECT setval('person_number', :number, false)"), {"number": (last + 1) * LIST_FULL_AT})
    return last + 2
