"""Status lists as they are given out: made once per revision and process, however many ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.codes.signing import SigningKeys
from services.codes.status_list import TTL, Standings, claims_of, columns_of

Read = Callable[[bool], Standings]
"""The list as it is now; with its people or without."""


@dataclass(frozen=True, slots=True)
class SignedList:
    token: str
    revision: int
    signed_at: datetime


class PublishedLists:
    """Remembers, per list, the signed list for a minute and the columns until the revision moves on."""

    def __init__(self, keys: SigningKeys, uri: str) -> None:
        self._keys, self._uri = keys, uri
        self._signed: dict[int, SignedList] = {}
        self._columns: dict[tuple[int, bool], tuple[int, bytes]] = {}
        self._making = threading.Lock()

    def signed(self, list_number: int, read: Read, now: datetime) -> SignedList:
        """Signed within the last minute, so perhaps a revision behind; `read` is called only when it must be made."""
        with self._making:
            known = self._signed.get(list_number)
            if known is not None and now - known.signed_at < TTL:
                return known
            standings = read(False)
            claims = claims_of(standings, f"{self._uri}/{list_number}", now)
            made = SignedList(self._keys.sign("status-list", claims, now), standings.revision, now)
            self._signed[list_number] = made
            return made

    def columns(self, list_number: int, revision: int, read: Read, *, with_persons: bool) -> bytes:
        """The JSON at `revision` or newer."""
        with self._making:
            known = self._columns.get((list_number, with_persons))
            if known is not None and known[0] >= revision:
                return known[1]
            standings = read(with_persons)
            made = json.dumps(columns_of(standings, with_persons=with_persons)).encode()
            self._columns[list_number, with_persons] = (standings.revision, made)
            return made
