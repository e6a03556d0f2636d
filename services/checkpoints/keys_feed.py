"""What keeps the key ring fresh, off the scan path: codes' JWKS each half minute, the last known in our database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from chassis.clock import Clock
from chassis.database import Database
from services.checkpoints.codes_client import CodesUnavailable
from services.checkpoints.key_ring import KeyRing
from services.checkpoints.store import standings

log = structlog.get_logger("keys_feed")

_REFRESH_S, _RETRY_S = 30.0, 0.5


class Jwks(Protocol):
    def jwks(self) -> Mapping[str, Any]: ...


class KeysFeed:
    def __init__(self, key_ring: KeyRing, *, codes: Jwks, database: Database, clock: Clock) -> None:
        self._key_ring, self._codes, self._database, self._clock = key_ring, codes, database, clock

    def run(self, stop: threading.Event) -> None:
        self._try(self.load_known)
        while not stop.is_set():
            wait_s = self._try(self.refresh)
            stop.wait(wait_s)

    def load_known(self) -> None:
        with self._database.transaction() as tx:
            known = standings.read_jwks(tx)
        if known is not None:
            self._key_ring.put(known)

    def refresh(self) -> None:
        """Hold what codes publishes now; an answer without keys for passes changes nothing."""
        jwks = self._codes.jwks()
        if not self._key_ring.put(jwks):
            raise CodesUnavailable("no keys for passes")
        with self._database.transaction() as tx:
            standings.put_jwks(tx, jwks, self._clock())

    def _try(self, action: Callable[[], None]) -> float:
        try:
            action()
        except (CodesUnavailable, SQLAlchemyError) as error:
            log.warning("the keys of codes could not be read, the known ones stay", error=type(error).__name__)
            return _RETRY_S if not self._key_ring.has_keys() else _REFRESH_S / 10
        return _REFRESH_S
