"""Who holds which entry of the status lists, and the board's snapshot: what the worker keeps for the scan path.

`standing_list` at revision r means that `holder` is complete up to r. Changes come from codes' topic; what is missing
(first start, a gap) is fetched from codes with its persons.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection

from chassis.clock import Clock
from chassis.database import Database
from services.checkpoints.board import Applied, Board, StandingsChange
from services.checkpoints.board_feed import Standings
from services.checkpoints.codes_client import CodesUnavailable
from services.checkpoints.store import standings
from services.checkpoints.trace import Tell, complete_scans

log = structlog.get_logger("holders")


class Holders:
    def __init__(self, database: Database, codes: Standings, *, board: Board, tell: Tell, clock: Clock) -> None:
        self._database, self._codes, self._board = database, codes, board
        self._tell, self._clock = tell, clock
        self._kept: dict[int, int] = {}
        self._behind: dict[int, int | None] = {}
        self._gaps: set[int] = set()

    def load_snapshot(self) -> None:
        with self._database.transaction() as tx:
            for number, revision, packed, void in standings.read_lists(tx):
                self._board.put(number, revision, packed, void)
                self._kept[number] = revision

    def take_changes(self, tx: Connection, changes: Sequence[StandingsChange]) -> None:
        """Holders first: the board may be ahead of what this transaction keeps, never behind."""
        for change in changes:
            standings.put_holders(tx, change.list, change.idx, change.person_refs)
            if self._board.apply(change) is Applied.GAP:
                self._gaps.add(change.list)

    def keep_snapshot(self) -> None:
        """Keep the lists that have changed since they were kept."""
        for number, revision in self._board.revisions().items():
            if self._kept.get(number) != revision and number not in self._gaps:
                kept_revision, packed, void = self._board.snapshot(number)
                with self._database.transaction() as tx:
                    standings.put_list(tx, number, kept_revision, packed, void, self._clock())
                self._kept[number] = kept_revision

    def catch_up(self) -> None:
        """Fetch lists with a gap, and those that codes has had newer for two looks in a row."""
        try:
            for number in sorted(self._gaps | self._stuck()):
                self._fetch(number)
        except CodesUnavailable as error:
            log.info("codes cannot be reached, holders wait", error=type(error).__name__)

    def _stuck(self) -> set[int]:
        ours = self._board.revisions()
        behind = {number: ours.get(number) for number in self._board.is_behind(self._codes.revisions())}
        stuck = {n for n, revision in behind.items() if revision is None or self._behind.get(n, -1) == revision}
        self._behind = behind
        return stuck

    def _fetch(self, number: int) -> None:
        found = self._codes.standing_list(number, has_persons=True)
        with self._database.transaction() as tx:
            standings.put_holders(tx, number, found.idx, found.person_refs)
            standings.put_list(tx, number, found.revision, found.packed, found.void, self._clock())
        self._board.put(number, found.revision, found.packed, found.void)
        self._kept[number] = found.revision
        self._gaps.discard(number)
        log.info("a list was fetched with its holders", list=number, revision=found.revision, holders=len(found.idx))

    def fill_persons(self) -> None:
        with self._database.transaction() as tx:
            complete_scans(tx, self._tell, self._clock())
