"""What time alone brings about: reviews that are due, the heartbeat, and telling everything again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from services.codes.domain.events import StandingsHeartbeat
from services.codes.use_cases.changes import settle
from services.codes.use_cases.ports import Office


def review_due(tx: Connection, office: Office, now: datetime, *, people_max: int) -> int:
    """Evaluate people whose review is due; how many."""
    people = office.people.lock_due(tx, now, people_max)
    if people:
        settle(tx, office, sorted(people, key=lambda person: person.person_ref), now)
    return len(people)


def beat(tx: Connection, office: Office, now: datetime) -> bool:
    """Write a heartbeat with every list's revision, unless the last one is still to be sent."""
    found = office.lists.beat(tx)
    if found is not None:
        revision, lists = found
        office.tell(tx, [StandingsHeartbeat(revision, lists, now)])
    return found is not None
