"""Who looked at whom: one row for each person that somebody was shown, in the service that showed it.

All services keep the same table: subject, roles and area of the bearer, what they looked at, the person, the route, and
whether the look was refused. Rows are written in the transaction that answers, or in one before it where the order may
be refused: a refusal tells something too, and must not take its row with it. Rows are only ever added.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.auth import ASKING_FOR, Bearer

_LOG = sa.text("""
INSERT INTO access_log (subject, roles, area, what, person_ref, route, is_refused)
SELECT :subject, :roles, :area, :what, person_ref, :route, :is_refused
FROM unnest(CAST(:persons AS uuid[])) AS shown (person_ref) ORDER BY person_ref
""")


def log_looks(
    tx: Connection,
    bearer: Bearer,
    *,
    what: str,
    route: str,
    persons: Collection[UUID],
    is_refused: bool = False,
    on_behalf_of: str = "",
) -> None:
    """One statement for all persons; `is_refused` where the bearer asked about them and was shown nothing.

    `route` is the route's pattern. `on_behalf_of` names whom a service asks for: it follows the first
    `ASKING_FOR` in `subject`.
    """
    if persons:
        tx.execute(
            _LOG,
            {
                "subject": f"{bearer.subject}{ASKING_FOR}{on_behalf_of}" if on_behalf_of else bearer.subject,
                "roles": " ".join(sorted(bearer.roles)),
                "area": bearer.area,
                "what": what,
                "route": route,
                "persons": sorted(set(persons)),
                "is_refused": is_refused,
            },
        )
