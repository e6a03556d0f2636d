"""Asks every process for its `/readyz`, a few seconds apart, so that a screen shows who is behind or away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

from services.console.domain.processes import Process, away, process_of

PERIOD_S = 2.0
ANSWER_S_MAX = 1.5


class ProcessWatch:
    """`addresses` by process name; `processes` is what was last known, in the same order."""

    def __init__(self, addresses: Mapping[str, str], *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._addresses, self._transport = dict(addresses), transport
        self.processes: list[Process] = []

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=ANSWER_S_MAX, trust_env=False, transport=self._transport) as client:
            while True:
                await self.look(client)
                await asyncio.sleep(PERIOD_S)

    async def look(self, client: httpx.AsyncClient) -> None:
        asked = (_ask(client, name, address) for name, address in self._addresses.items())
        self.processes = list(await asyncio.gather(*asked))


async def _ask(client: httpx.AsyncClient, name: str, address: str) -> Process:
    try:
        answer = await client.get(f"{address}/readyz")
        return process_of(name, answer.json())
    except (httpx.HTTPError, ValueError, TypeError, KeyError):
        return away(name)
