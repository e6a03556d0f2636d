"""The look at a whole status list with its persons: one row for each of them, written by one statement."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.auth import Bearer

_LOG_LIST = sa.text("""
INSERT INTO access_log (subject, roles, area, what, person_ref, route, is_refused)
SELECT :subject, :roles, :area, 'standings', person_ref, :route, false FROM person WHERE list = :list
""")


def log_list_look(tx: Connection, bearer: Bearer, list_number: int, *, route: str) -> None:
    """Everybody who has an entry in the list; nobody where there is no such list."""
    roles = " ".join(sorted(bearer.roles))
    given = {"subject": bearer.subject, "roles": roles, "area": bearer.area, "list": list_number, "route": route}
    tx.execute(_LOG_LIST, given)
