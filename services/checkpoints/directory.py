"""What the scan path may have to ask the database besides the append: a checkpoint that is new, a document's holder,
what the ids of a vehicle's people stand for.

All are rare, and go over a connection of their own, so that nobody waits in a pool.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg

from chassis.connections import Connection, hanging_up
from services.checkpoints.domain.errors import StoreUnavailable
from services.checkpoints.domain.life import Timeline, version_of
from services.checkpoints.domain.scans import Entry, Holders, Scan
from services.checkpoints.scan_statements import GIVE_BACK, given_back

_CHECKPOINT = """
SELECT v.checkpoint_id, v.kind, v.name, v.venue, v.area, c.venue_code, c.revision, v.stage, v.successor, v.holds_from
FROM checkpoint AS c JOIN checkpoint_version AS v USING (checkpoint_id) WHERE v.checkpoint_id = %s
ORDER BY v.holds_from
"""
_ENTRIES = "SELECT person_ref, list, idx FROM holder WHERE person_ref = ANY(%s) ORDER BY list, idx"
_ENTRIES_AND_HELD = """
SELECT person_ref, list, idx FROM holder WHERE person_ref = ANY(%s)
UNION
SELECT h.person_ref, g.list, g.idx FROM unnest(%s::integer[], %s::integer[]) AS g (list, idx)
CROSS JOIN LATERAL (SELECT person_ref FROM holder WHERE list = g.list AND idx = g.idx OFFSET 0) AS h
ORDER BY 2, 3
"""
"""One statement, and so one moment: a holder who becomes known between two would be somebody else's."""
_DIGESTS = "SELECT scan_id, digest FROM scan WHERE scan_id = ANY(%s)"


Answered = Callable[[Holders | StoreUnavailable], None]
"""What is called, once, with what was asked for or why there is no answer; it must not raise."""


class _Question:
    """The persons whose entries are asked for together, and the entries of which it is asked whether anybody is known
    to hold them; `asked` has of each who asked the persons, and what to call."""

    __slots__ = ("asked", "entries", "persons")

    def __init__(self) -> None:
        self.persons: set[UUID] = set()
        self.entries: set[Entry] = set()
        self.asked: list[tuple[frozenset[UUID], Answered]] = []

    def answer(self, found: Holders | StoreUnavailable) -> None:
        """Each gets only their own."""
        for persons, tell in self.asked:
            if isinstance(found, Holders):
                tell(Holders({each: found.entries[each] for each in persons & found.entries.keys()}, found.held))
            else:
                tell(found)


class Directory:
    def __init__(self, database_url: str, *, timeout_s: float = 5.0) -> None:
        self._database_url, self._timeout_s = database_url, timeout_s
        self._connection: Connection | None = None
        self._using = asyncio.Lock()
        self._next: _Question | None = None
        self._asking: set[asyncio.Task[None]] = set()

    async def checkpoint(self, checkpoint_id: UUID) -> Timeline | None:
        rows = await self._ask(_CHECKPOINT, checkpoint_id)
        return tuple(version_of(row) for row in rows) or None

    async def holders(self, person_refs: Iterable[UUID], shown: Iterable[Entry] = ()) -> Holders:
        """The entries that each person has held (whoever is unknown is left out), and which of those shown are held.

        Raises `StoreUnavailable`.
        """
        answered: asyncio.Future[Holders] = asyncio.get_running_loop().create_future()

        def tell(found: Holders | StoreUnavailable) -> None:
            if answered.done():
                return
            if isinstance(found, Holders):
                answered.set_result(found)
            else:
                answered.set_exception(found)

        self.holders_soon(person_refs, shown, tell)
        return await answered

    def holders_soon(self, person_refs: Iterable[UUID], shown: Iterable[Entry], tell: Answered) -> None:
        """As `holders`, for who does not wait.

        Who comes while an answer is awaited is asked for in the next question, together with all others who have come:
        one question at a time for each would make card readers queue, and each wait for all before it.
        """
        question = self._next
        if question is None:
            question = self._next = _Question()
            self._asking.add(task := asyncio.get_running_loop().create_task(self._ask_together(question)))
            task.add_done_callback(self._asking.discard)
        persons = frozenset(person_refs)
        question.persons |= persons
        question.entries.update(shown)
        question.asked.append((persons, tell))

    async def digests_of(self, scan_ids: Iterable[UUID]) -> dict[UUID, bytes]:
        """Of those that are recorded, the digest of their content."""
        return {scan_id: bytes(digest) for scan_id, digest in await self._ask(_DIGESTS, list(scan_ids))}

    async def give_back(self, scans: Iterable[Scan]) -> None:
        """Let passes be used again that were claimed and let nobody in. Raises `StoreUnavailable`."""
        if (claims := given_back(scans)) is not None:
            async with self._turn():
                await self._done(GIVE_BACK, *claims)

    async def _ask_together(self, question: _Question) -> None:
        try:
            async with self._turn():
                self._next = None
                rows = await self._rows(question)
        except StoreUnavailable as error:
            return question.answer(error)
        finally:
            if self._next is question:
                self._next = None
        found: dict[UUID, list[Entry]] = defaultdict(list)
        for person_ref, number, idx in rows:
            found[person_ref].append(Entry(number, idx))
        held = frozenset(Entry(*row[1:]) for row in rows) & question.entries
        return question.answer(Holders(dict(found), held))

    async def _rows(self, question: _Question) -> list[tuple[Any, ...]]:
        if not question.entries:
            return await self._answered(_ENTRIES, list(question.persons))
        lists, indices = zip(*question.entries, strict=True)
        return await self._answered(_ENTRIES_AND_HELD, list(question.persons), list(lists), list(indices))

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _ask(self, statement: str, argument: object) -> list[tuple[Any, ...]]:
        async with self._turn():
            return await self._answered(statement, argument)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One question at a time. Raises `StoreUnavailable` when the turn does not come: behind a store that answers
        nobody each would wait for all before him."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._using.acquire()
        except TimeoutError:
            raise StoreUnavailable() from None
        try:
            yield
        finally:
            self._using.release()

    async def _answered(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Raises `StoreUnavailable` when there is no answer in time."""
        cursor = await self._done(statement, *arguments)
        return await cursor.fetchall()

    async def _done(self, statement: str, *arguments: object) -> psycopg.AsyncCursor[tuple[Any, ...]]:
        """Raises `StoreUnavailable` when it is not done in time; its rows are here."""
        try:
            connection = await self._connected()
            with hanging_up(connection, after_s=self._timeout_s):
                return await connection.execute(statement.encode(), arguments)
        except psycopg.Error:
            raise StoreUnavailable() from None

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = await psycopg.AsyncConnection.connect(
                self._database_url,
                autocommit=True,
                connect_timeout=max(2, int(self._timeout_s)),
                application_name="directory",
                prepare_threshold=0,
            )
        return self._connection
