"""Registered checkpoints, and who looked at what."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.auth import Bearer
from services.checkpoints.domain.scans import Checkpoint

# No index is named for the conflict: of two who register the same place at once, one would wait for the other's row by
# its venue_code while the other waits for its row by the id, and one of them would be ended.
_ADD = sa.text("""
INSERT INTO checkpoint (checkpoint_id, stage, kind, name, venue, area, venue_code, revision, registered_by)
SELECT g.checkpoint_id, g.stage, g.kind, g.name, g.venue, g.area, g.venue_code, g.revision, :registered_by
FROM json_to_recordset(CAST(:given AS json)) AS g (checkpoint_id uuid, stage text, kind text, name text, venue text,
                                                   area text, venue_code text, revision integer)
ORDER BY g.checkpoint_id
ON CONFLICT DO NOTHING
RETURNING checkpoint_id
""")


def add(tx: Connection, checkpoints: Iterable[Checkpoint], *, registered_by: str) -> set[UUID]:
    """The ids that were not taken; in ascending order for everybody, so that two lists with the same places wait."""
    given = [
        {
            "checkpoint_id": each.checkpoint_id,
            "stage": each.stage,
            "kind": each.kind,
            "name": each.name,
            "venue": each.venue,
            "area": each.area,
            "venue_code": each.venue_code,
            "revision": each.revision,
        }
        for each in checkpoints
    ]
    return set(tx.execute(_ADD, {"given": orjson.dumps(given).decode(), "registered_by": registered_by}).scalars())


_LOG_CHECKPOINT_LOOK = sa.text("""
INSERT INTO access_log (subject, roles, area, what, person_ref, checkpoint_id, route, is_refused)
SELECT :subject, :roles, :area, 'scans of a checkpoint', person_ref, :checkpoint_id,
       '/v1/checkpoints/{checkpoint_id}/scans', false
FROM unnest(CAST(:persons AS uuid[])) AS shown (person_ref) ORDER BY person_ref NULLS FIRST
""")


def log_checkpoint_look(tx: Connection, bearer: Bearer, checkpoint_id: UUID, *, persons: Collection[UUID]) -> None:
    """One row for the checkpoint and one for each person that was shown there; one statement for all."""
    given = {
        "subject": bearer.subject,
        "roles": " ".join(sorted(bearer.roles)),
        "area": bearer.area,
        "checkpoint_id": checkpoint_id,
        "persons": [None, *sorted(persons)],
    }
    tx.execute(_LOG_CHECKPOINT_LOOK, given)
