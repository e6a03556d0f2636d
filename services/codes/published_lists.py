"""Status lists as they are given out: made once per revision and process, however many ask."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from chassis.database import Database
from services.codes.signing import SigningKeys
from services.codes.status_list import TTL, Standings, claims_of, columns_of
from services.codes.use_cases.ports import SignedList


class Source(Protocol):
    def revision_of(self, tx: Connection, list_number: int) -> int: ...

    def standings(self, tx: Connection, list_number: int, *, with_persons: bool) -> Standings: ...


class PublishedLists:
    """Remembers, per list, the signed list for a minute and the columns until the revision moves on."""

    def __init__(self, database: Database, source: Source, keys: SigningKeys, uri: str) -> None:
        self._database, self._source, self._keys, self._uri = database, source, keys, uri
        self._signed: dict[int, SignedList] = {}
        self._columns: dict[tuple[int, bool], tuple[int, bytes]] = {}
        self._making = threading.Lock()

    def signed(self, list_number: int, now: datetime) -> SignedList:
        """Signed within the last minute, so perhaps some revisions behind. Raises `StatusListNotFound`."""
        with self._making:
            known = self._signed.get(list_number)
            if known is not None and now - known.signed_at < TTL:
                return known
            standings = self._read(list_number, with_persons=False)
            claims = claims_of(standings, f"{self._uri}/{list_number}", now)
            made = SignedList(self._keys.sign("status-list", claims, now), standings.revision, now)
            self._signed[list_number] = made
            return made

    def columns(self, list_number: int, *, with_persons: bool) -> bytes:
        """JSON of the list as it is now. Raises `StatusListNotFound`."""
        with self._database.transaction() as tx:
            revision = self._source.revision_of(tx, list_number)
        with self._making:
            known = self._columns.get((list_number, with_persons))
            if known is not None and known[0] >= revision:
                return known[1]
            standings = self._read(list_number, with_persons=with_persons)
            made = json.dumps(columns_of(standings, with_persons=with_persons)).encode()
            self._columns[list_number, with_persons] = (standings.revision, made)
            return made

    def _read(self, list_number: int, *, with_persons: bool) -> Standings:
        with self._database.transaction() as tx:
            return self._source.standings(tx, list_number, with_persons=with_persons)
