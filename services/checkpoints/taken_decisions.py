"""What a gate decided alone about a scan that the server had recorded already: only the answer came too late.

The scan is uploaded again with that decision. It is kept beside the server's own, and a difference is told, as of a
scan that is uploaded for the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from chassis.database import Database
from services.checkpoints.domain.events import OfflineDecisionDiffered
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.scans import OfflineDecision, Scan
from services.checkpoints.store import second_looks
from services.checkpoints.trace import Tell


class TakenDecisions:
    def __init__(self, database: Database, tell: Tell) -> None:
        self._database, self._tell = database, tell

    def keep(self, scans: Sequence[Scan]) -> list[bool]:
        """Of each scan whether it is kept, now or since before; another decision never replaces it."""
        with self._database.transaction() as tx:
            recorded = second_looks.lock_recorded(tx, {scan.attempt.scan_id for scan in scans})
            kept, new = [], dict[UUID, tuple[ScanFact, OfflineDecision]]()
            for attempt in (scan.attempt for scan in scans):
                here = recorded.get(attempt.scan_id)
                if here is None or attempt.offline is None or not attempt.is_recorded_as(here.digest):
                    kept.append(False)
                    continue
                taken = here.taken or (new[attempt.scan_id][1] if attempt.scan_id in new else None)
                kept.append(taken in (None, attempt.offline))
                if taken is None:
                    fact = replace(here.fact, offline_decision=attempt.offline.decision)
                    new[attempt.scan_id] = (fact, attempt.offline)
            second_looks.keep_taken(tx, {scan_id: taken for scan_id, (_, taken) in new.items()})
            differing = [each for each in new.values() if each[0].is_decided_otherwise_offline()]
            self._tell(tx, [OfflineDecisionDiffered(fact, taken) for fact, taken in differing])
        return kept
