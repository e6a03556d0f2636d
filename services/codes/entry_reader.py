"""Reads entries of people whose passes hold, many in one statement: an idle connection asks at once.

What comes meanwhile asks next.
"""

from __future__ import annotations

import asyncio

import psycopg
import structlog

from chassis.connections import Connection, hanging_up
from services.codes.domain.colours import Colour
from services.codes.domain.people import Entry

log = structlog.get_logger("entry_reader")

Found = tuple[Entry, Colour]
_READ = """
SELECT person_ref::text, list, idx, colour FROM person
WHERE person_ref = ANY(%s::uuid[]) AND list IS NOT NULL AND NOT is_void
"""
_GROUP_MAX = 200
_QUEUE_MAX = 5000


class EntryReader:
    def __init__(self, database_url: str, *, connections: int = 2, timeout_s: float = 3.0) -> None:
        self._database_url, self._connections, self._timeout_s = database_url, connections, timeout_s
        self._asked: dict[str, list[asyncio.Future[Found | None]]] = {}
        self._is_asked = asyncio.Event()
        self._readers: list[asyncio.Task[None]] = []

    async def find(self, person_ref: str) -> Found | None:
        """The entry of an enrolled person (canonical UUID); None where there is none or the store does not answer."""
        if not self._readers:
            self._readers = [asyncio.create_task(self._read_groups()) for _ in range(self._connections)]
        if len(self._asked) >= _QUEUE_MAX:
            return None
        answer: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(person_ref, []).append(answer)
        self._is_asked.set()
        return await answer

    async def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _read_groups(self) -> None:
        connection: Connection | None = None
        while True:
            while not self._asked:
                self._is_asked.clear()
                await self._is_asked.wait()
            group = {ref: self._asked.pop(ref) for ref in list(self._asked)[:_GROUP_MAX]}
            found: dict[str, Found] = {}
            try:
                if connection is None or connection.broken or connection.closed:
                    connection = await self._connect()
                with hanging_up(connection, after_s=self._timeout_s):
                    found = await self._read(connection, group.keys())
            except (psycopg.Error, OSError) as error:
                log.warning("entries could not be read", error=type(error).__name__, size=len(group))
                if connection is not None:
                    await connection.close()
            finally:
                for person_ref, answers in group.items():
                    for answer in answers:
                        if not answer.done():
                            answer.set_result(found.get(person_ref))

    async def _read(self, connection: Connection, person_refs: object) -> dict[str, Found]:
        cursor = await connection.execute(_READ, ("{" + ",".join(person_refs) + "}",))  # type: ignore[arg-type]
        return {ref: (Entry(number, idx), Colour(colour)) for ref, number, idx, colour in await cursor.fetchall()}

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(
            self._database_url,
            autocommit=True,
            connect_timeout=max(2, int(self._timeout_s)),
            application_name="entry_reader",
            prepare_threshold=0,
            options="-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off",
        )
