"""Asks every process for its `/readyz`, a few seconds apart, so that a screen shows what is behind, away or old."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import datetime

import httpx

from chassis.clock import Clock, utc_now
from services.console.domain.processes import Process, away, process_of
from services.console.domain.sources import Source, source_of, sources_at, told_until

PERIOD_S = 1.0
ANSWER_S_MAX = 1.5


class ProcessWatch:
    """`addresses` by process name; `processes` is what was last known, in the same order."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        *,
        trust: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._addresses, self._transport, self._clock = dict(addresses), transport, clock
        self._trust = trust or True
        self._watched = {source for name in addresses if (source := source_of(name)) is not None}
        self._told: dict[str, datetime] = {}
        self.processes: list[Process] = []

    async def run(self) -> None:
        async with self._client() as client:
            while True:
                await self.look(client)
                await asyncio.sleep(PERIOD_S)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=ANSWER_S_MAX, trust_env=False, verify=self._trust, transport=self._transport)

    async def look(self, client: httpx.AsyncClient) -> None:
        asked_at = self._clock()
        asked = (_ask(client, name, address) for name, address in self._addresses.items())
        self.processes = list(await asyncio.gather(*asked))
        for process in self.processes:
            source, until = source_of(process.name), told_until(process, asked_at)
            # Of several workers one is enough: they tell of the same outbox.
            if source is not None and until is not None:
                self._told[source] = max(until, self._told.get(source, until))

    def sources(self, now: datetime, applied_until: datetime) -> dict[str, Source]:
        """How old the figures of each service are, where the read model holds what the log held at `applied_until`."""
        return sources_at(now, applied_until=applied_until, told=self._told, watched=self._watched)


async def _ask(client: httpx.AsyncClient, name: str, address: str) -> Process:
    try:
        answer = await client.get(f"{address}/readyz")
        return process_of(name, answer.json())
    except (httpx.HTTPError, ValueError, TypeError, KeyError):
        return away(name)
